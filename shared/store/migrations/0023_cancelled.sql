-- How long people stay whom a cancelled launch did not mail, if not as long as their campaign (0).
ALTER TABLE broadcast.tenants ADD COLUMN cancelled_hours integer NOT NULL DEFAULT 0 CHECK (cancelled_hours BETWEEN 0 AND 8760);
-- When the rows of a cancelled launch's people were deleted. NULL: not yet, or not by that rule.
ALTER TABLE broadcast.launches ADD COLUMN recipients_deleted_at timestamptz;
CREATE INDEX launches_cancelled ON broadcast.launches (tenant_id, ended_at) WHERE state = 'cancelled' AND recipients_deleted_at IS NULL;
