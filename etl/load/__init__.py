"""Pages into tables: batches, the merge with what is stored, and one transaction for rows and ledger."""
