terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.69.1"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.9.1"
    }
    tls = {
      source  = "hashicorp/tls"
      version = "4.4.1"
    }
  }

  # The state holds the relay's password and CloudFront's secret: keep it in an encrypted bucket with versions that few may read.
  # Its name comes from a file of your own: terraform init -backend-config=backend.hcl
  backend "s3" {
    key          = "broadcast/example.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
