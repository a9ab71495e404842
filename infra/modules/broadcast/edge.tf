# The world's side of the HTTP functions: a name, TLS, limits by address, and a header that tells the functions that it was CloudFront that
# asked. Only with it do they believe X-Forwarded-For, whose last entry is then CloudFront's.
#
# Nothing is cached and nothing is logged here: paths hold tokens, and addresses are people's.

locals {
  hosts = {
    collect = "links.${var.domain}"
    api     = "api.${var.domain}"
    console = "console.${var.domain}"
    gateway = "files.${var.domain}"
    bounces = "bounces.${var.domain}"
  }

  # requests_max: of one address in five minutes. Mailbox providers load images for all of their readers from few addresses.
  edges = {
    collect = { origin = module.collect.url_host, requests_max = 50000 }
    api     = { origin = module.api.url_host, requests_max = 6000 }
    console = { origin = module.console.url_host, requests_max = 2000 }
  }
}

resource "aws_acm_certificate" "edge" {
  provider = aws.us_east_1

  domain_name               = local.hosts.console
  subject_alternative_names = [local.hosts.api, local.hosts.collect]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "certificate" {
  for_each = {
    for option in aws_acm_certificate.edge.domain_validation_options : option.domain_name => option
  }

  zone_id = var.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 300
}

resource "aws_acm_certificate_validation" "edge" {
  provider = aws.us_east_1

  certificate_arn         = aws_acm_certificate.edge.arn
  validation_record_fqdns = [for record in aws_route53_record.certificate : record.fqdn]
}

data "aws_cloudfront_cache_policy" "none" {
  name = "Managed-CachingDisabled"
}

# Everything but Host, by which a function URL knows itself.
data "aws_cloudfront_origin_request_policy" "all_but_host" {
  name = "Managed-AllViewerExceptHostHeader"
}

resource "aws_cloudfront_distribution" "edge" {
  #checkov:skip=CKV_AWS_86:Paths hold tokens, and addresses are people's
  #checkov:skip=CKV_AWS_305:The functions answer for / themselves
  #checkov:skip=CKV_AWS_310:A second origin would be the same function
  #checkov:skip=CKV_AWS_374:Mails are opened everywhere
  #checkov:skip=CKV2_AWS_32:The functions set their headers themselves, each page its own
  #checkov:skip=CKV2_AWS_47:The rules have them, see below
  for_each = local.edges

  comment         = "${var.name}: ${each.key}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = "PriceClass_100"
  aliases         = [local.hosts[each.key]]
  web_acl_id      = aws_wafv2_web_acl.edge.arn

  origin {
    origin_id   = each.key
    domain_name = each.value.origin

    custom_header {
      name  = "X-Edge-Secret"
      value = random_password.edge.result
    }

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      origin_read_timeout    = 30
    }
  }

  default_cache_behavior {
    target_origin_id         = each.key
    viewer_protocol_policy   = "redirect-to-https"
    allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods           = ["GET", "HEAD"]
    compress                 = true
    cache_policy_id          = data.aws_cloudfront_cache_policy.none.id
    origin_request_policy_id = data.aws_cloudfront_origin_request_policy.all_but_host.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.edge.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

# One for all three, since each costs by itself.
resource "aws_wafv2_web_acl" "edge" {
  #checkov:skip=CKV2_AWS_31:Its log would hold paths with tokens and people's addresses
  provider = aws.us_east_1

  name  = var.name
  scope = "CLOUDFRONT"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = local.edges

    content {
      name     = "requests-of-one-address-${rule.key}"
      priority = index(keys(local.edges), rule.key)

      action {
        block {
          custom_response {
            response_code = 429
          }
        }
      }

      statement {
        rate_based_statement {
          aggregate_key_type    = "IP"
          limit                 = rule.value.requests_max
          evaluation_window_sec = 300

          scope_down_statement {
            byte_match_statement {
              search_string         = local.hosts[rule.key]
              positional_constraint = "EXACTLY"

              field_to_match {
                single_header {
                  name = "host"
                }
              }
              text_transformation {
                priority = 0
                type     = "LOWERCASE"
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-requests-${rule.key}"
        sampled_requests_enabled   = false
      }
    }
  }

  rule {
    name     = "known-bad-inputs"
    priority = length(local.edges)

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesKnownBadInputsRuleSet"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-bad-inputs"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

locals {
  edge_records = merge([
    for name, edge in local.edges : { for type in ["A", "AAAA"] : "${name}-${type}" => { edge = name, type = type } }
  ]...)
}

resource "aws_route53_record" "edge" {
  for_each = local.edge_records

  zone_id = var.zone_id
  name    = local.hosts[each.value.edge]
  type    = each.value.type

  alias {
    name                   = aws_cloudfront_distribution.edge[each.value.edge].domain_name
    zone_id                = aws_cloudfront_distribution.edge[each.value.edge].hosted_zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "gateway" {
  zone_id = var.zone_id
  name    = local.hosts.gateway
  type    = "A"

  alias {
    name                   = aws_lb.gateway.dns_name
    zone_id                = aws_lb.gateway.zone_id
    evaluate_target_health = false
  }
}
