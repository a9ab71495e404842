# One installation. Copy this folder, and change terraform.tfvars.

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Deployment = var.name }
  }
}

# CloudFront's certificates and rules.
provider "aws" {
  alias               = "us_east_1"
  region              = "us-east-1"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = { Deployment = var.name }
  }
}

data "aws_route53_zone" "this" {
  name = var.zone
}

module "broadcast" {
  source = "../../modules/broadcast"

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  name           = var.name
  domain         = var.domain
  zone_id        = data.aws_route53_zone.this.zone_id
  packages       = var.packages
  gateway        = { image = var.gateway_image }
  relay          = { profile = "ses", dkim = "ed25519" }
  relay_url      = var.relay_url
  sender_domains = var.sender_domains
  alarm_email    = var.alarm_email
}
