"""The token that a page of a change feed brought, so that a resumed reading knows it without asking again

Revision: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("_etl_pages", sa.Column("token", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("_etl_pages", "token")
