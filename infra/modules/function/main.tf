# One function: a binary for arm64 with a role, a log and alarms of its own.

locals {
  name    = "${var.deployment.name}-${var.name}"
  package = "${var.deployment.packages}/${var.name}.zip"
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:Work comes by queues, which have dead letters of their own; a tick that fails is followed by the next one
  #checkov:skip=CKV_AWS_272:Packages are built reproducibly and named by their digest; who may deploy may also replace a signing profile
  function_name                  = local.name
  role                           = aws_iam_role.this.arn
  filename                       = local.package
  source_code_hash               = filebase64sha256(local.package)
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = ["arm64"]
  timeout                        = var.size.timeout_seconds
  memory_size                    = var.size.memory_mib
  reserved_concurrent_executions = var.size.instances
  kms_key_arn                    = var.deployment.kms_key_arn

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = var.security_group_ids
  }

  # The network interface cannot be made before the right to make it, nor the log group after the first line.
  depends_on = [aws_iam_role_policy.platform, aws_iam_role_policy.this]
}

# The console reads errors from a group of this name.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.deployment.log_days
  kms_key_id        = var.deployment.kms_key_arn
}

resource "aws_iam_role" "this" {
  name = local.name

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# What the platform does in the function's name. Network interfaces and traces have no name before they are made; the function's own code is
# denied the former.
resource "aws_iam_role_policy" "platform" {
  name = "platform"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.receive, [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
      {
        Sid      = "Environment"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.deployment.kms_key_arn
      },
      {
        Sid      = "Network"
        Effect   = "Allow"
        Action   = local.network_actions
        Resource = "*"
      },
      {
        Sid       = "NetworkNotByCode"
        Effect    = "Deny"
        Action    = local.network_actions
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "${var.deployment.lambda_arn}:function:${local.name}" } }
      },
    ])
  })
}

# What the function does itself: named action by action in its own file.
resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for name, statement in var.policy : merge(
      {
        Sid      = name
        Effect   = statement.effect
        Action   = statement.actions
        Resource = statement.resources
      },
      { for key, value in { Condition = statement.conditions } : key => value if value != null },
    )]
  })
}

locals {
  # The mapping takes messages with the function's role.
  receive = [for queue in [var.queue] : {
    Sid      = "Queue"
    Effect   = "Allow"
    Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    Resource = queue.arn
  } if queue != null]

  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
  ]
}
