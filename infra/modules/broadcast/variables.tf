variable "name" {
  description = "What the names of all resources begin with. Names of buckets are the world's, so choose one that nobody else has."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 20 small letters, digits and hyphens, with a letter at its beginning and no hyphen at its end."
  }
}

variable "domain" {
  description = "The domain of this installation: links., api., console., files. and bounces. are made below it."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain must be a domain name in small letters without a dot at its end."
  }
}

variable "zone_id" {
  description = "The public hosted zone of Route 53 that holds the domain."
  type        = string
}

variable "packages" {
  description = "The folder with one zip for each function, as `cargo local package` makes them."
  type        = string
}

variable "gateway" {
  description = "The SFTP gateway on Fargate: its image, the port and the networks of customers, how many run, and the size of each."
  type = object({
    image      = string
    port       = optional(number, 22)
    networks   = optional(list(string), ["0.0.0.0/0"])
    tasks      = optional(number, 1)
    cpu_units  = optional(number, 512)
    memory_mib = optional(number, 4096)
  })

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.gateway.image))
    error_message = "gateway.image must end in @sha256: and the image's digest: a tag may name another image tomorrow."
  }
  validation {
    condition     = alltrue([for network in var.gateway.networks : can(cidrnetmask(network))])
    error_message = "gateway.networks must be IPv4 networks such as 192.0.2.0/24."
  }
}

variable "relay" {
  description = "The relay: ses, or postfix for one of your own; whether it signs with RSA itself (dkim); how many functions it has, with ten connections each."
  type = object({
    profile   = string
    dkim      = optional(string, "both")
    sends_max = optional(number, 16)
  })

  validation {
    condition     = contains(["ses", "postfix"], var.relay.profile)
    error_message = "relay.profile must be ses or postfix."
  }
  validation {
    condition     = contains(["both", "ed25519"], var.relay.dkim)
    error_message = "relay.dkim must be both or ed25519."
  }
  validation {
    condition     = var.relay.sends_max >= 2
    error_message = "relay.sends_max must be 2 or more: SQS starts no fewer."
  }
}

variable "relay_url" {
  description = "The relay's address: smtp+starttls://user:password@host:587. Given as TF_VAR_relay_url, never in a file."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^smtp(\\+starttls)?://", var.relay_url))
    error_message = "relay_url must begin with smtp+starttls:// or, for a private network, smtp://."
  }
}

variable "sender_domains" {
  description = "With SES: the domains that tenants send from. SES takes mails of verified domains alone."
  type        = set(string)
  default     = []
}

variable "database" {
  description = "Aurora's capacity in ACUs (2 GiB each), its instances (two survive the loss of one), how many days back a backup goes."
  type = object({
    acu_min     = optional(number, 0.5)
    acu_max     = optional(number, 16)
    instances   = optional(number, 1)
    backup_days = optional(number, 1)
  })
  default = {}

  validation {
    condition     = var.database.acu_min >= 0.5 && var.database.acu_max >= 2 && var.database.acu_max >= var.database.acu_min
    error_message = "database.acu_min must be 0.5 or more (schedules wake it each minute), and acu_max 2 or more and not below it."
  }
  validation {
    condition     = var.database.backup_days >= 1 && var.database.backup_days <= 35
    error_message = "database.backup_days must be from 1 to 35: Aurora keeps backups no shorter and no longer."
  }
}

variable "network" {
  description = "The private network of the installation."
  type        = string
  default     = "10.64.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.network)) && endswith(var.network, "/16")
    error_message = "network must be an IPv4 network of 16 bits, such as 10.64.0.0/16."
  }
}

variable "endpoint_zones" {
  description = "In how many zones AWS is reached without a way out: one, which costs half, or two, which survive the loss of one."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.endpoint_zones)
    error_message = "endpoint_zones must be 1 or 2."
  }
}

variable "log_days" {
  description = "How long logs are kept. They hold ids and no personal data."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90], var.log_days)
    error_message = "log_days must be one of 1, 3, 5, 7, 14, 30, 60 and 90."
  }
}

variable "alarm_email" {
  description = "Where alarms and warnings of the budget go; the address is asked to confirm once."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+$", var.alarm_email))
    error_message = "alarm_email must be an e-mail address."
  }
}

variable "budget_usd" {
  description = "What a month may cost; you are told at 80 % of it and when it is forecast to be exceeded."
  type        = number
  default     = 500
}

variable "texts_usd" {
  description = "What texts with codes may cost in a month: SNS sends no more. An account begins with a quota of 1."
  type        = number
  default     = 20
}
