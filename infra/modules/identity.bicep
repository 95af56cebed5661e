metadata name = 'Identity'
metadata description = 'The identity that the app acts as. It has no password; its rights are in `roles.bicep`.'

@description('Required. Name of the identity.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30'>.tags

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Client (application) id of the identity.')
output clientId string = identity.properties.clientId

@description('Object id of the identity, which role assignments name.')
output principalId string = identity.properties.principalId
