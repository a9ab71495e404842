# Four kinds of subnets in two zones:
#   public    the gateway's load balancer, and the NAT
#   outward   what must reach the world: webhooks, a relay that is not SES, the gateway's image
#   inward    all other functions; no way out, AWS by endpoints alone
#   database  no route at all
# Names are asked of the VPC's own resolver, which needs no way out.

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:Two are taken, and a new one comes behind them
  state = "available"
}

locals {
  zones = slice(data.aws_availability_zones.available.names, 0, 2)
  tiers = ["public", "outward", "inward", "database"]

  # Room for four zones in each tier.
  subnets = merge([
    for number, tier in local.tiers : {
      for index, zone in local.zones : "${tier}-${index}" => {
        tier    = tier
        zone    = zone
        network = cidrsubnet(var.network, 4, number * 4 + index)
      }
    }
  ]...)

  subnet_ids = {
    for tier in local.tiers : tier => [for index, zone in local.zones : aws_subnet.this["${tier}-${index}"].id]
  }
}

resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11:A flow log would keep the addresses of customers and receivers, with a retention of its own
  cidr_block           = var.network
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Nobody uses it; so nobody gets anything by it.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "this" {
  for_each = local.subnets

  vpc_id            = aws_vpc.this.id
  availability_zone = each.value.zone
  cidr_block        = each.value.network

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table" "this" {
  for_each = toset(local.tiers)

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_route_table_association" "this" {
  for_each = local.subnets

  subnet_id      = aws_subnet.this[each.key].id
  route_table_id = aws_route_table.this[each.value.tier].id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_route" "public" {
  route_table_id         = aws_route_table.this["public"].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

# One for both zones: a second one costs as much again, and what waits for a way out waits in queues. Its address is what receivers of
# webhooks and relays see.
resource "aws_eip" "nat" {
  domain = "vpc"

  tags = { Name = "${var.name}-nat" }
}

resource "aws_nat_gateway" "this" {
  allocation_id = aws_eip.nat.id
  subnet_id     = local.subnet_ids.public[0]

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "outward" {
  route_table_id         = aws_route_table.this["outward"].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this.id
}
