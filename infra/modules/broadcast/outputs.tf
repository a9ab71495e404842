output "admin_function" {
  description = "The function to give the operator's commands to."
  value       = module.admin.name
}

output "hosts" {
  description = "Where people, programs and recipients reach it."
  value       = local.hosts
}

output "gateway_addresses" {
  description = "For customers' firewalls: the addresses of the SFTP gateway."
  value       = aws_eip.gateway[*].public_ip
}

output "outgoing_address" {
  description = "For receivers of webhooks and a relay of your own: the address that requests come from."
  value       = aws_eip.nat.public_ip
}

output "sender_domain_tokens" {
  description = "With SES, of each sender domain: tokens of the three CNAME records <token>._domainkey that point to <token>.dkim.amazonses.com."
  value       = { for domain, identity in aws_sesv2_email_identity.this : domain => identity.dkim_signing_attributes[0].tokens }
}
