metadata name = 'Key Vault'
metadata description = 'All secrets of Postern: SMTP password, OAuth client secret and token cache, unsubscribe keys. Bicep writes none.'

@description('Required. Name of the vault.')
@minLength(3)
@maxLength(24)
param name string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.KeyVault/vaults@2026-05-15'>.tags

@description('Required. Whether the vault is reached by its private endpoint only.')
param privateOnly bool

@description('Required. Whether a deleted vault of this name is taken back, with its secrets.')
param recover bool

@description('Required. Name of the workspace for the audit log.')
param workspaceName string

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' existing = { name: workspaceName }

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    createMode: recover ? 'recover' : 'default'
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: privateOnly ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'None'
      defaultAction: privateOnly ? 'Deny' : 'Allow'
    }
  }
}

// The only version of diagnostic settings that takes logs by category; it never left preview.
#disable-next-line use-recent-api-versions
resource audit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'to-workspace'
  properties: {
    workspaceId: workspace.id
    logs: [{ category: 'AuditEvent', enabled: true }]
  }
}

@description('Address of the vault.')
output uri string = 'https://${vault.name}${environment().suffixes.keyvaultDns}/'
