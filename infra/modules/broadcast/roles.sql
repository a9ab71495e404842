-- The two logins of the installation, and their rights on the database. Everything else is made by migrations, as broadcast_owner.
-- One statement, for the Data API takes no more; given again it changes nothing.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'broadcast_owner') THEN
        CREATE ROLE broadcast_owner LOGIN INHERIT CREATEROLE;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'broadcast_app') THEN
        CREATE ROLE broadcast_app LOGIN NOINHERIT;
    END IF;
    -- By IAM, and by nothing else.
    GRANT rds_iam TO broadcast_owner, broadcast_app;
    -- Only a member may give a database to another owner, and a member for longer would have to log in by IAM itself.
    GRANT broadcast_owner TO CURRENT_USER;
    ALTER DATABASE broadcast OWNER TO broadcast_owner;
    REVOKE ALL ON DATABASE broadcast FROM PUBLIC;
    GRANT CONNECT ON DATABASE broadcast TO broadcast_app, CURRENT_USER;
    REVOKE broadcast_owner FROM CURRENT_USER;
END $$
