output "arn" {
  description = "The queue."
  value       = aws_sqs_queue.this.arn
}

output "url" {
  description = "The queue's address."
  value       = aws_sqs_queue.this.url
}

output "name" {
  description = "The queue's name."
  value       = aws_sqs_queue.this.name
}

output "dead_letters_arn" {
  description = "The queue of its dead letters."
  value       = aws_sqs_queue.dead_letters.arn
}
