"""The database: where it is, its transactions, the state tables, and the data tables with their evolution."""
