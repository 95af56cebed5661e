using '../main.bicep'

// Private network, several zones, Front Door only, every log, every optional role.
param environmentName = 'hardened'
param location = 'westeurope'
param authClientId = '11111111-1111-4111-8111-111111111111'
param mailClientId = '22222222-2222-4222-8222-222222222222'
param tags = { costCenter: 'mail' }
param publicUrl = 'https://mail.example.com'
param frontDoorId = '33333333-3333-4333-8333-333333333333'
param senderPrincipalIds = ['44444444-4444-4444-8444-444444444444', '55555555-5555-4555-8555-555555555555']
param bigMailSenderPrincipalIds = ['55555555-5555-4555-8555-555555555555']
param grantDeployer = true
param deployerPrincipalType = 'ServicePrincipal'
param alertEmails = ['ops@example.com']
param alertActionGroupIds = [
  '/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-ops/providers/Microsoft.Insights/actionGroups/ag-ops'
]
param instanceMemory = 4096
param maximumInstances = 100
param alwaysReady = { http: 2, mail: 2, priorityMail: 2 }
param updateStrategy = 'RollingUpdate'
param privateNetwork = true
param zoneRedundant = true
param storageSku = 'Standard_GZRS'
param logStorageRequests = true
