metadata name = 'Network'
metadata description = 'A network for the app, private endpoints for storage and vault, and one address that mail leaves from.'

@description('Required. Name of the network.')
param name string

@description('Required. Suffix of the other names.')
param suffix string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.Network/virtualNetworks@2025-05-01'>.tags

@description('Required. Address space of the network, a /24 or larger.')
param addressPrefix string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Name of the Key Vault.')
param vaultName string

@description('Required. Whether the outbound address stands in several zones.')
param zoneRedundant bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: storageName }

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = { name: vaultName }

resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: 'pip-postern-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard', tier: 'Regional' }
  zones: zoneRedundant ? ['1', '2', '3'] : null
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

resource gateway 'Microsoft.Network/natGateways@2025-05-01' = {
  name: 'ng-postern-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: {
    idleTimeoutInMinutes: 10
    publicIpAddresses: [{ id: address.id }]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [addressPrefix] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 25, 0)
          defaultOutboundAccess: false
          natGateway: { id: gateway.id }
          delegations: [
            {
              name: 'flex-consumption'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 26, 2)
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }

  resource endpointSubnet 'subnets' existing = { name: 'endpoints' }
}

var storageZones = map(['blob', 'queue', 'table'], service => {
  service: service
  zone: 'privatelink.${service}.${environment().suffixes.storage}'
})
// The vault's private zone is the public one with another word: `.vault.azure.net` → `.vaultcore.azure.net`.
var vaultZone = {
  service: 'vault'
  zone: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
}
var services = [...storageZones, vaultZone]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for service in services: {
    name: service.zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (service, index) in services: {
    parent: zones[index]
    name: 'postern'
    location: 'global'
    tags: tags
    properties: {
      registrationEnabled: false
      virtualNetwork: { id: network.id }
    }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [
  for service in services: {
    name: 'pe-postern-${service.service}-${suffix}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpointSubnet.id }
      privateLinkServiceConnections: [
        {
          name: service.service
          properties: {
            privateLinkServiceId: service.service == 'vault' ? vault.id : account.id
            groupIds: [service.service]
          }
        }
      ]
    }
  }
]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [
  for (service, index) in services: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: service.service
          properties: { privateDnsZoneId: zones[index].id }
        }
      ]
    }
  }
]

@description('The address that all outbound connections of the app come from, for the relay to allow.')
output outboundAddress string = address.properties.ipAddress
