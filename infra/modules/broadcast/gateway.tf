# gateway: SFTP and SCP over tenants' buckets. A container on Fargate that stays up, behind a load balancer whose addresses never change, so that
# customers can open their firewalls for them.
# The way out: its image comes through the NAT.

resource "aws_ecs_cluster" "this" {
  #checkov:skip=CKV_AWS_65:They cost by the figure; the load balancer has what is looked at
  name = var.name
}

resource "aws_cloudwatch_log_group" "gateway" {
  #checkov:skip=CKV_AWS_338:A year of logs is longer than anything they are about may be kept
  name              = "/ecs/${var.name}-gateway"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

locals {
  gateway_port = 2222

  gateway_environment = merge(
    {
      DEPLOYMENT              = var.name
      AWS_REGION              = local.region
      GATEWAY_LISTEN          = "0.0.0.0:${local.gateway_port}"
      GATEWAY_HOST_KEY_SECRET = aws_secretsmanager_secret.gateway_host_key.name
    },
    local.environment.database,
    local.environment.tenants,
    local.environment.master,
  )

  ecs_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_ecs_task_definition" "gateway" {
  family                   = "${var.name}-gateway"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.gateway.cpu_units
  memory                   = var.gateway.memory_mib
  task_role_arn            = aws_iam_role.gateway.arn
  execution_role_arn       = aws_iam_role.gateway_start.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  container_definitions = jsonencode([{
    name                   = "gateway"
    image                  = var.gateway.image
    essential              = true
    user                   = "65532"
    readonlyRootFilesystem = true
    # Between SIGTERM and SIGKILL: open uploads are put by.
    stopTimeout  = 120
    portMappings = [{ containerPort = local.gateway_port, protocol = "tcp" }]
    environment  = [for name, value in local.gateway_environment : { name = name, value = value }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.gateway.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "gateway"
      }
    }
  }])
}

# A new one is up before an old one goes; whoever is connected to that one has two minutes.
resource "aws_ecs_service" "gateway" {
  name                               = "gateway"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.gateway.arn
  launch_type                        = "FARGATE"
  desired_count                      = var.gateway.tasks
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  propagate_tags                     = "SERVICE"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.place.outward.subnet_ids
    security_groups  = concat(local.place.outward.security_group_ids, [aws_security_group.gateway.id])
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.gateway.arn
    container_name   = "gateway"
    container_port   = local.gateway_port
  }

  depends_on = [aws_lb_listener.gateway, aws_lambda_invocation.migrate]
}

# What the gateway may do itself; tenants' files it reaches as the tenant.
resource "aws_iam_role" "gateway" {
  name               = "${var.name}-gateway"
  assume_role_policy = local.ecs_trust
}

resource "aws_iam_role_policy" "gateway" {
  name = "gateway"
  role = aws_iam_role.gateway.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Database"
        Effect   = "Allow"
        Action   = local.allow.database.actions
        Resource = local.allow.database.resources
      },
      {
        Sid      = "Tenants"
        Effect   = "Allow"
        Action   = local.allow.tenants.actions
        Resource = local.allow.tenants.resources
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [aws_secretsmanager_secret.master_key.arn, aws_secretsmanager_secret.gateway_host_key.arn]
      },
      {
        Sid      = "SecretsKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [aws_kms_key.this.arn]
      },
    ]
  })
}

# What Fargate does to start it.
resource "aws_iam_role" "gateway_start" {
  name               = "${var.name}-gateway-start"
  assume_role_policy = local.ecs_trust
}

resource "aws_iam_role_policy" "gateway_start" {
  name = "start"
  role = aws_iam_role.gateway_start.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Token"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:${local.partition}:ecr:${local.region}:${local.account_id}:repository/*"]
      },
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.gateway.arn}:*"]
      },
    ]
  })
}

resource "aws_security_group" "gateway" {
  name        = "${var.name}-gateway"
  description = "The gateway"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "gateway" {
  security_group_id            = aws_security_group.gateway.id
  description                  = "From its load balancer"
  referenced_security_group_id = aws_security_group.gateway_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.gateway_port
  to_port                      = local.gateway_port
}

resource "aws_security_group" "gateway_balancer" {
  name        = "${var.name}-gateway-balancer"
  description = "The load balancer of the gateway"
  vpc_id      = aws_vpc.this.id
}

# Customers upload from anywhere, unless the operator knows better; the gateway has limits before any login.
resource "aws_vpc_security_group_ingress_rule" "gateway_balancer" {
  for_each = toset(var.gateway.networks)

  security_group_id = aws_security_group.gateway_balancer.id
  description       = "From customers"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.gateway.port
  to_port           = var.gateway.port
}

resource "aws_vpc_security_group_egress_rule" "gateway_balancer" {
  security_group_id            = aws_security_group.gateway_balancer.id
  description                  = "To the gateway"
  referenced_security_group_id = aws_security_group.gateway.id
  ip_protocol                  = "tcp"
  from_port                    = local.gateway_port
  to_port                      = local.gateway_port
}

# One address in each zone.
resource "aws_eip" "gateway" {
  #checkov:skip=CKV2_AWS_19:The load balancer has them
  count = length(local.zones)

  domain = "vpc"

  tags = { Name = "${var.name}-gateway-${count.index}" }
}

resource "aws_lb" "gateway" {
  #checkov:skip=CKV_AWS_91:A log of connections would keep customers' addresses; the audit has every login
  name                             = "${var.name}-gateway"
  load_balancer_type               = "network"
  internal                         = false
  security_groups                  = [aws_security_group.gateway_balancer.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = true

  dynamic "subnet_mapping" {
    for_each = local.subnet_ids.public

    content {
      subnet_id     = subnet_mapping.value
      allocation_id = aws_eip.gateway[subnet_mapping.key].id
    }
  }
}

resource "aws_lb_target_group" "gateway" {
  name        = "${var.name}-gateway"
  vpc_id      = aws_vpc.this.id
  target_type = "ip"
  protocol    = "TCP"
  port        = local.gateway_port
  # The gateway counts and audits by the client's own address.
  preserve_client_ip   = true
  deregistration_delay = 120

  health_check {
    protocol            = "TCP"
    interval            = 30
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "gateway" {
  load_balancer_arn = aws_lb.gateway.arn
  protocol          = "TCP"
  port              = var.gateway.port

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}
