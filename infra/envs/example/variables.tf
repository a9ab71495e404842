variable "account_id" {
  description = "The AWS account that this may change, and no other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the twelve digits of an AWS account."
  }
}

variable "region" {
  description = "Where everything is, but for CloudFront."
  type        = string
  default     = "eu-central-1"
}

variable "name" {
  description = "What the names of all resources begin with; unique in the world, since buckets are."
  type        = string
}

variable "zone" {
  description = "The public hosted zone that holds the domain."
  type        = string
}

variable "domain" {
  description = "The domain below which links., api., console., files. and bounces. are made."
  type        = string
}

variable "packages" {
  description = "The folder with the functions' zips."
  type        = string
  default     = "../../../target/packages/arm64"
}

variable "gateway_image" {
  description = "The gateway's image in ECR, with its digest."
  type        = string
}

variable "relay_url" {
  description = "The relay's address with user and password; given as TF_VAR_relay_url."
  type        = string
  sensitive   = true
}

variable "sender_domains" {
  description = "The domains that tenants send from."
  type        = set(string)
  default     = []
}

variable "alarm_email" {
  description = "Where alarms go."
  type        = string
}
