terraform {
  # Write-only arguments keep secrets out of the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.69, < 7"
      # CloudFront takes certificates and rules from us-east-1 alone.
      configuration_aliases = [aws.us_east_1]
    }
    random = {
      source  = "hashicorp/random"
      version = ">= 3.9, < 4"
    }
    tls = {
      source  = "hashicorp/tls"
      version = ">= 4.4, < 5"
    }
  }
}
