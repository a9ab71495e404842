output "broadcast" {
  description = "What operators, customers and owners of domains need to know."
  value = {
    admin_function       = module.broadcast.admin_function
    hosts                = module.broadcast.hosts
    gateway_addresses    = module.broadcast.gateway_addresses
    outgoing_address     = module.broadcast.outgoing_address
    sender_domain_tokens = module.broadcast.sender_domain_tokens
  }
}
