"""How each member of a stream's run ended, so that a run can be looked at member by member

Revision: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("_etl_run_streams", sa.Column("members", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("_etl_run_streams", "members")
