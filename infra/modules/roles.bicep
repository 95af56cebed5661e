metadata name = 'Roles'
metadata description = 'Who may do what with the data. Every role assignment of Postern is here; there are no others.'

import { queueNames, contentContainer } from '../names.bicep'

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Name of the Key Vault.')
param vaultName string

@description('Required. Name of the Application Insights component.')
param componentName string

@description('Required. Name of the identity of the app.')
param identityName string

@description('Required. Object ids of the service principals that put mail on the lanes.')
param senderPrincipalIds string[]

@description('Required. Object ids of those senders that put big bodies into the content container, too.')
param bigMailSenderPrincipalIds string[]

@description('Required. Object id of the person who may read and repair the state; empty for nobody.')
param operatorPrincipalId string

@description('Required. Kind of that principal.')
param operatorPrincipalType ('User' | 'Group' | 'ServicePrincipal')

var roles = {
  blobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  blobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  queueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  queueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  tableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  metricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageName

  resource queueService 'queueServices' existing = {
    name: 'default'

    resource lanes 'queues' existing = [for queue in queueNames: { name: queue }]
  }

  resource blobService 'blobServices' existing = {
    name: 'default'

    resource content 'containers' existing = { name: contentContainer }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = { name: identityName }

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = { name: vaultName }

resource component 'Microsoft.Insights/components@2020-02-02' existing = { name: componentName }

// The Functions host wants to own blobs for its locks and the package; the lanes' host makes and empties poison queues.
var appStorageRoles = [roles.blobDataOwner, roles.queueDataContributor, roles.tableDataContributor]

resource appOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appStorageRoles: {
    scope: account
    name: guid(account.id, identity.id, role)
    properties: {
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// Officer, since the app writes: passwords that admins enter, and the token cache.
resource appOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, roles.secretsOfficer)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsOfficer)
  }
}

resource appOnTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: component
  name: guid(component.id, identity.id, roles.metricsPublisher)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
}

// A platform service may put messages on the lanes. It can neither read them nor reach anything else of the account.
resource sendersOnMail 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for sender in senderPrincipalIds: {
    scope: account::queueService::lanes[0]
    name: guid(account::queueService::lanes[0].id, sender, roles.queueDataMessageSender)
    properties: {
      principalId: sender
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueDataMessageSender)
    }
  }
]

resource sendersOnPriorityMail 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for sender in senderPrincipalIds: {
    scope: account::queueService::lanes[1]
    name: guid(account::queueService::lanes[1].id, sender, roles.queueDataMessageSender)
    properties: {
      principalId: sender
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.queueDataMessageSender)
    }
  }
]

resource bigMailSenders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for sender in bigMailSenderPrincipalIds: {
    scope: account::blobService::content
    name: guid(account::blobService::content.id, sender, roles.blobDataContributor)
    properties: {
      principalId: sender
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobDataContributor)
    }
  }
]

// For backup, restore and repair. No role on the vault: nobody reads a secret.
var operatorRoles = [roles.blobDataContributor, roles.queueDataContributor, roles.tableDataContributor]

resource operatorOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in operatorRoles: if (!empty(operatorPrincipalId)) {
    scope: account
    name: guid(account.id, operatorPrincipalId, role)
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]
