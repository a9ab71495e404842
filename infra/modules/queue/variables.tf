variable "deployment" {
  description = "What all queues of a deployment share: see functions.tf of the module broadcast."
  type = object({
    name            = string
    account_id      = string
    alarm_topic_arn = string
    retention = object({
      queue_seconds       = number
      dead_letter_seconds = number
    })
  })

  validation {
    condition     = var.deployment.retention.dead_letter_seconds > var.deployment.retention.queue_seconds
    error_message = "dead_letter_seconds must be more than queue_seconds: SQS counts a dead letter's age from its first sending."
  }
}

variable "name" {
  description = "The queue's name within the deployment; that of its dead letters has -dlq at its end."
  type        = string
}

variable "visibility_seconds" {
  description = "How long a received message stays hidden: longer than its function runs."
  type        = number
}

variable "receives_max" {
  description = "A message that was received so often without an end becomes a dead letter."
  type        = number
}

variable "age_seconds_max" {
  description = "The age of the oldest message above which the alarm on backlogs rings."
  type        = number
  default     = 900
}

variable "bucket_arns" {
  description = "Buckets of the account that announce their objects here; * stands for any part of a name."
  type        = list(string)
  default     = []
}
