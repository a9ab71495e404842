# Aurora PostgreSQL, Serverless v2. Nobody has a password but the master user, whose password Secrets Manager makes, keeps and changes:
# functions log in by IAM as broadcast_app, admin as broadcast_owner, over TLS alone.

locals {
  database_name  = "broadcast"
  database_users = "${local.arn.rds-db}:dbuser:${aws_rds_cluster.this.cluster_resource_id}"

  # Packages and the gateway's image have AWS's certificates for databases, which no public root signs.
  database_urls = {
    for user, name in { app = "broadcast_app", owner = "broadcast_owner" } : user => join("", [
      "postgres://${name}@${aws_rds_cluster.this.endpoint}:5432/${local.database_name}",
      "?sslmode=verify-full&sslrootcert=/var/task/rds.pem",
    ])
  }
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = local.subnet_ids.database
}

resource "aws_security_group" "database" {
  name        = "${var.name}-database"
  description = "The database"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "From functions"
  referenced_security_group_id = aws_security_group.to_database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# Errors of PostgreSQL quote rows and values: neither gets into its log.
resource "aws_rds_cluster_parameter_group" "this" {
  name   = var.name
  family = "aurora-postgresql15"

  dynamic "parameter" {
    for_each = {
      "rds.force_ssl"                     = "1"
      "log_error_verbosity"               = "terse"
      "log_min_error_statement"           = "panic"
      "log_parameter_max_length"          = "0"
      "log_parameter_max_length_on_error" = "0"
      "log_statement"                     = "none"
      "log_min_duration_statement"        = "-1"
      # Thousands of campaigns' schemas in one dump or drop.
      "max_locks_per_transaction" = "256"
    }

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = "pending-reboot"
    }
  }
}

resource "aws_cloudwatch_log_group" "database" {
  #checkov:skip=CKV_AWS_338:A year of logs is longer than anything they are about may be kept
  name              = "/aws/rds/cluster/${var.name}/postgresql"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_rds_cluster" "this" {
  #checkov:skip=CKV2_AWS_27:A log of statements would hold recipients
  #checkov:skip=CKV_AWS_133:Backups hold what was deleted; a day of them is the default, and the operator may have more
  #checkov:skip=CKV2_AWS_8:A backup plan would keep what is deleted for longer than its receipt says
  cluster_identifier = var.name
  engine             = "aurora-postgresql"
  engine_mode        = "provisioned"
  # The version that the tests run on.
  engine_version = "15"
  database_name  = local.database_name

  master_username               = "postgres"
  manage_master_user_password   = true
  master_user_secret_kms_key_id = aws_kms_key.this.key_id
  # Makes the roles below without a way into the network.
  enable_http_endpoint                = true
  iam_database_authentication_enabled = true

  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.database.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name

  storage_encrypted       = true
  kms_key_id              = aws_kms_key.this.arn
  backup_retention_period = var.database.backup_days
  preferred_backup_window = "02:00-03:00"
  copy_tags_to_snapshot   = true
  # A last snapshot would outlive everything that receipts say.
  skip_final_snapshot      = true
  delete_automated_backups = true
  deletion_protection      = true

  enabled_cloudwatch_logs_exports = ["postgresql"]

  serverlessv2_scaling_configuration {
    min_capacity = var.database.acu_min
    max_capacity = var.database.acu_max
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [aws_cloudwatch_log_group.database]
}

resource "aws_rds_cluster_instance" "this" {
  #checkov:skip=CKV_AWS_118:CloudWatch has what is looked at; the system's own figures cost a role and a log more
  count = var.database.instances

  identifier                      = "${var.name}-${count.index}"
  cluster_identifier              = aws_rds_cluster.this.id
  engine                          = aws_rds_cluster.this.engine
  engine_version                  = aws_rds_cluster.this.engine_version
  instance_class                  = "db.serverless"
  db_subnet_group_name            = aws_db_subnet_group.this.name
  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  performance_insights_kms_key_id = aws_kms_key.this.arn
}

# The two logins, made by the master user over the Data API. Needs the AWS CLI where Terraform runs. Once there, they are left as they are.
resource "terraform_data" "database_roles" {
  triggers_replace = [aws_rds_cluster.this.cluster_resource_id, filesha256("${path.module}/roles.sql")]

  provisioner "local-exec" {
    command = join(" ", [
      "aws rds-data execute-statement",
      "--region '${local.region}'",
      "--resource-arn '${aws_rds_cluster.this.arn}'",
      "--secret-arn '${aws_rds_cluster.this.master_user_secret[0].secret_arn}'",
      "--database '${local.database_name}'",
      "--sql 'file://${path.module}/roles.sql'",
    ])
  }

  depends_on = [aws_rds_cluster_instance.this]
}
