# How functions reach AWS. Credentials that leak from within open nothing of anybody else's here: endpoints serve this account alone.

locals {
  interface_endpoints = toset(concat(
    ["sqs", "secretsmanager", "sts", "sns", "logs"],
    var.relay.profile == "ses" ? ["email-smtp"] : [],
  ))
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.this["inward"].id, aws_route_table.this["outward"].id]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OwnBuckets"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:*"
        Resource  = "*"
        Condition = { StringEquals = { "aws:ResourceAccount" = local.account_id } }
      },
      {
        # Where ECR keeps the layers of images.
        Sid       = "Images"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"
      },
    ]
  })
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = slice(local.subnet_ids.inward, 0, var.endpoint_zones)
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  # SMTP has logins of its own, and its endpoint no policy.
  policy = each.key == "email-smtp" ? null : jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = local.account_id } }
    }]
  })

  tags = { Name = "${var.name}-${each.key}" }
}

# Who may reach whom: functions take the groups of what they need.

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "to_aws" {
  name        = "${var.name}-to-aws"
  description = "May reach endpoints of AWS"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "to_database" {
  name        = "${var.name}-to-database"
  description = "May reach the database"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "to_world" {
  name        = "${var.name}-to-world"
  description = "May reach the world"
  vpc_id      = aws_vpc.this.id
}

# 587 is SES's SMTP; on the others nothing listens there.
resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = toset(["443", "587"])

  security_group_id            = aws_security_group.endpoints.id
  description                  = "From functions"
  referenced_security_group_id = aws_security_group.to_aws.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}

resource "aws_vpc_security_group_egress_rule" "to_aws" {
  for_each = toset(["443", "587"])

  security_group_id            = aws_security_group.to_aws.id
  description                  = "To endpoints"
  referenced_security_group_id = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}

resource "aws_vpc_security_group_egress_rule" "to_s3" {
  security_group_id = aws_security_group.to_aws.id
  description       = "To S3"
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "to_database" {
  security_group_id            = aws_security_group.to_database.id
  description                  = "To the database"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# A webhook's receiver and a relay may be on any port; what they may be is judged by the functions.
resource "aws_vpc_security_group_egress_rule" "to_world" {
  security_group_id = aws_security_group.to_world.id
  description       = "To receivers of webhooks, a relay and the registry of images"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 1
  to_port           = 65535
}

# What a function has, by what it is.
locals {
  place = {
    # The database and AWS.
    inward = {
      subnet_ids         = local.subnet_ids.inward
      security_group_ids = [aws_security_group.to_aws.id, aws_security_group.to_database.id]
    }
    # AWS alone.
    collect = {
      subnet_ids         = local.subnet_ids.inward
      security_group_ids = [aws_security_group.to_aws.id]
    }
    # All of it.
    outward = {
      subnet_ids = local.subnet_ids.outward
      security_group_ids = [
        aws_security_group.to_aws.id, aws_security_group.to_database.id, aws_security_group.to_world.id,
      ]
    }
  }
  # SES is reached by an endpoint.
  relay_place = var.relay.profile == "ses" ? local.place.inward : local.place.outward
}
