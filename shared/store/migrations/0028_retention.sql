-- A tenant's own people change how long what is kept; the hard limit of campaigns stays the operator's. Sweep reads these at every run, and puts the
-- bucket's own rules right.
GRANT UPDATE (incoming_hours, finished_hours, invalids_hours, exports_hours, campaign_hours, cancelled_hours) ON broadcast.tenants TO broadcast_tenant;
