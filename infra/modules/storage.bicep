metadata name = 'Storage'
metadata description = 'The account that holds the queues, the state and the package. No keys, no public blobs.'

import { queueNames, tableNames, contentContainer } from '../names.bicep'

@description('Required. Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.Storage/storageAccounts@2025-06-01'>.tags

@description('Required. Redundancy of the account.')
param sku resourceInput<'Microsoft.Storage/storageAccounts@2025-06-01'>.sku.name

@description('Required. Container that the package of the app is deployed to.')
param packageContainer string

@description('Required. Whether the account is reached by private endpoints only.')
param privateOnly bool

@description('Required. Days after which a body is deleted that the app itself has not deleted.')
@minValue(1)
param contentDays int

@description('Required. Name of the workspace for the diagnostic logs.')
param workspaceName string

@description('Required. Whether each read, write and delete is logged.')
param logRequests bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' existing = { name: workspaceName }

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: privateOnly ? 'Deny' : 'Allow'
    }
    encryption: {
      keySource: 'Microsoft.Storage'
      // Keys of the account instead of the service, which later allows a key of your own for queues and tables too.
      services: {
        queue: { keyType: 'Account' }
        table: { keyType: 'Account' }
      }
      requireInfrastructureEncryption: true
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    // A body that the app deletes is gone: it may hold a code or a link that opens an account.
    deleteRetentionPolicy: { enabled: false }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
  }

  resource content 'containers' = {
    name: contentContainer
    properties: { publicAccess: 'None' }
  }

  resource package 'containers' = {
    name: packageContainer
    properties: { publicAccess: 'None' }
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'

  // The trigger makes no queue of its own, so each lane is declared, and the queue that its refused messages go to.
  resource queues 'queues' = [
    for queue in flatten(map(queueNames, lane => [lane, '${lane}-poison'])): {
      name: queue
    }
  ]
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'

  resource tables 'tables' = [for table in tableNames: { name: table }]
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-forgotten-content'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['${contentContainer}/']
            }
            actions: {
              baseBlob: { delete: { daysAfterModificationGreaterThan: contentDays } }
            }
          }
        }
      ]
    }
  }
}

var requestLogs = [
  { category: 'StorageRead', enabled: true }
  { category: 'StorageWrite', enabled: true }
  { category: 'StorageDelete', enabled: true }
]

// The only version of diagnostic settings that takes logs by category; it never left preview.
#disable-next-line use-recent-api-versions
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: blobs
  name: 'to-workspace'
  properties: { workspaceId: workspace.id, logs: requestLogs }
}

#disable-next-line use-recent-api-versions
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: queueService
  name: 'to-workspace'
  properties: { workspaceId: workspace.id, logs: requestLogs }
}

#disable-next-line use-recent-api-versions
resource tableDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logRequests) {
  scope: tableService
  name: 'to-workspace'
  properties: { workspaceId: workspace.id, logs: requestLogs }
}

@description('Address of the queue service, without a slash at the end.')
output queueServiceUri string = 'https://${account.name}.queue.${environment().suffixes.storage}'
