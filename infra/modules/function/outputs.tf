output "name" {
  description = "The function's name."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "The function."
  value       = aws_lambda_function.this.arn
}

output "version" {
  description = "The digest of its code: changes with each release."
  value       = aws_lambda_function.this.source_code_hash
}

output "role_arn" {
  description = "The role that it runs as."
  value       = aws_iam_role.this.arn
}

output "url_host" {
  description = "The host of its function URL; null without one."
  value       = var.url ? trimsuffix(trimprefix(aws_lambda_function_url.this[0].function_url, "https://"), "/") : null
}
