variable "deployment" {
  description = "What all functions of a deployment share: see functions.tf of the module broadcast."
  type = object({
    name            = string
    packages        = string
    lambda_arn      = string
    log_days        = number
    kms_key_arn     = string
    alarm_topic_arn = string
  })
}

variable "name" {
  description = "The function's name within the deployment."
  type        = string
}

variable "size" {
  description = "How long one invocation may take, the memory of one instance (1,769 MiB bring one CPU), and how many are reserved for it."
  type = object({
    timeout_seconds = number
    memory_mib      = number
    instances       = number
  })

  validation {
    condition     = var.size.timeout_seconds >= 1 && var.size.timeout_seconds <= 900
    error_message = "size.timeout_seconds must be from 1 to 900: Lambda allows no more."
  }
}

variable "environment" {
  description = "Variables of its environment."
  type        = map(string)
}

variable "policy" {
  description = "What it may do, by a name for each statement."
  type = map(object({
    effect     = optional(string, "Allow")
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(string)))
  }))
}

variable "subnet_ids" {
  description = "The subnets that it runs in."
  type        = list(string)
}

variable "security_group_ids" {
  description = "What it may reach."
  type        = list(string)
}

variable "queue" {
  description = "The queue that starts it: how many messages at once, how long to wait for more, and how many invocations at once."
  type = object({
    arn             = string
    batch           = number
    window_seconds  = number
    concurrency_max = number
  })
  default = null
}

variable "schedule" {
  description = "When it starts by itself, with which event (the schedule's own unless given), and after how long a silence an alarm rings."
  type = object({
    expression     = string
    input          = optional(string)
    silent_seconds = optional(number)
  })
  default = null
}

variable "url" {
  description = "Whether it answers HTTP requests."
  type        = bool
  default     = false
}
