metadata name = 'Postern'
metadata description = 'Everything that Postern needs in Azure, in one resource group.'

targetScope = 'subscription'

@description('Names and values.')
type tagValues = { *: string }

@description('Required. Name of this installation, such as `prod`. Names of resources follow from it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Required. Region. It must offer Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Required. Client id of the app registration that people and services sign in with; the azd hook makes it.')
@minLength(36)
@maxLength(36)
param authClientId string

@description('Optional. Client id of the app registration for XOAUTH2; goes out again as an output, for the settings page.')
param mailClientId string = ''

@description('Optional. Name of the resource group.')
param resourceGroupName string = 'rg-postern-${environmentName}'

@description('Optional. Tags of every resource.')
param tags tagValues = {}

@description('Optional. Where people reach the app from outside, such as https://mail.example.com; empty for the address that Azure gives it.')
param publicUrl string = ''

@description('Optional. Id of the Azure Front Door profile that alone may call the app; empty for anybody.')
param frontDoorId string = ''

@description('Optional. Object ids of the managed identities or service principals of the services that send mail by queue.')
param senderPrincipalIds string[] = []

@description('Optional. Those of them that put bodies over 48 KiB into the content container.')
param bigMailSenderPrincipalIds string[] = []

@description('Optional. Gives the person who deploys rights on queues, tables and blobs, for repair, backup and restore.')
param grantDeployer bool = false

@description('Optional. Kind of the principal that deploys.')
param deployerPrincipalType ('User' | 'Group' | 'ServicePrincipal') = 'User'

@description('Optional. Addresses that alerts are mailed to, by Azure Monitor and not by Postern.')
param alertEmails string[] = []

@description('Optional. Resource ids of action groups that alerts go to as well.')
param alertActionGroupIds string[] = []

@description('Optional. Permanently failed mails in 15 minutes that raise no alert, such as mistyped addresses.')
@minValue(0)
param failedMailsAllowed int = 20

@description('Optional. Version of Node.js.')
param nodeVersion ('22' | '24') = '24'

@description('Optional. Memory of an instance in MB.')
param instanceMemory (512 | 2048 | 4096) = 2048

@description('Optional. The most instances of each group that scales by itself. Limit and pace are shared by all instances.')
@minValue(1)
@maxValue(1000)
param maximumInstances int = 40

@description('Optional. Instances that always run: HTTP and timers, ordinary mail, priority mail. With zone redundancy 0, or 2 and more.')
param alwaysReady { http: int, mail: int, priorityMail: int } = { http: 0, mail: 0, priorityMail: 0 }

@description('Optional. Seconds that one hand-over to the relay may take.')
@minValue(1)
@maxValue(540)
param submitTimeout int = 120

@description('Optional. `RollingUpdate` lets running work end when a new version comes; in preview in 2026.')
param updateStrategy ('Recreate' | 'RollingUpdate') = 'Recreate'

@description('Optional. Puts storage and vault behind private endpoints, and gives outbound mail one fixed address.')
param privateNetwork bool = false

@description('Optional. Address space of that network, a /24 or larger.')
param networkAddressPrefix string = '10.74.0.0/24'

@description('Optional. Spreads instances and storage over zones.')
param zoneRedundant bool = false

@description('Optional. Redundancy of storage; `Standard_GZRS` and `Standard_RAGZRS` keep a copy in another region, too.')
param storageSku ('Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS' | 'Standard_RAGZRS') = zoneRedundant
  ? 'Standard_ZRS'
  : 'Standard_LRS'

@description('Optional. Days after which a body is deleted that the app has not deleted. More than the retention in the settings.')
@minValue(1)
param contentDays int = 60

@description('Optional. Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('Optional. Logs each request to storage. Costs about 1 KB of log for each of the 4 operations of a mail.')
param logStorageRequests bool = false

@description('Optional. Takes back the vault of a deleted installation of this name, with its secrets.')
param recoverVault bool = false

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, { 'azd-env-name': environmentName })
// Known before anything is deployed, so that what-if and snapshots can tell what will be.
var names = {
  identity: 'id-postern-${suffix}'
  workspace: 'log-postern-${suffix}'
  component: 'appi-postern-${suffix}'
  storage: 'stpostern${suffix}'
  vault: 'kv-postern-${suffix}'
  plan: 'plan-postern-${suffix}'
  app: 'func-postern-${suffix}'
  network: 'vnet-postern-${suffix}'
  packageContainer: 'app-package-${suffix}'
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: location
  tags: allTags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: names.workspace
    componentName: names.component
    location: location
    tags: allTags
    retentionDays: logDays
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  dependsOn: [monitoring]
  params: {
    name: names.storage
    location: location
    tags: allTags
    sku: storageSku
    packageContainer: names.packageContainer
    privateOnly: privateNetwork
    contentDays: contentDays
    workspaceName: names.workspace
    logRequests: logStorageRequests
  }
}

module vault 'modules/vault.bicep' = {
  scope: group
  dependsOn: [monitoring]
  params: {
    name: names.vault
    location: location
    tags: allTags
    privateOnly: privateNetwork
    recover: recoverVault
    workspaceName: names.workspace
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  scope: group
  dependsOn: [storage, vault]
  params: {
    name: names.network
    suffix: suffix
    location: location
    tags: allTags
    addressPrefix: networkAddressPrefix
    storageName: names.storage
    vaultName: names.vault
    zoneRedundant: zoneRedundant
  }
}

module roles 'modules/roles.bicep' = {
  scope: group
  dependsOn: [identity, monitoring, storage, vault]
  params: {
    storageName: names.storage
    vaultName: names.vault
    componentName: names.component
    identityName: names.identity
    senderPrincipalIds: senderPrincipalIds
    bigMailSenderPrincipalIds: bigMailSenderPrincipalIds
    operatorPrincipalId: grantDeployer ? deployer().objectId : ''
    operatorPrincipalType: deployerPrincipalType
  }
}

module app 'modules/app.bicep' = {
  scope: group
  // The app's first start must find its rights, and the way to its storage.
  dependsOn: [roles, network]
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: allTags
    identityName: names.identity
    storageName: names.storage
    packageContainer: names.packageContainer
    vaultName: names.vault
    componentName: names.component
    authClientId: authClientId
    publicUrl: publicUrl
    frontDoorId: frontDoorId
    networkName: privateNetwork ? names.network : ''
    nodeVersion: nodeVersion
    instanceMemory: instanceMemory
    maximumInstances: maximumInstances
    alwaysReady: alwaysReady
    submitTimeout: submitTimeout
    zoneRedundant: zoneRedundant
    updateStrategy: updateStrategy
    workspaceName: names.workspace
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  dependsOn: [monitoring, storage, vault]
  params: {
    location: location
    tags: allTags
    emails: alertEmails
    actionGroupIds: alertActionGroupIds
    workspaceName: names.workspace
    storageName: names.storage
    vaultName: names.vault
    failedMailsAllowed: failedMailsAllowed
  }
}

@description('Region.')
output AZURE_LOCATION string = location

@description('Tenant that people sign in with.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Resource group of everything.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the app.')
output AZURE_FUNCTION_NAME string = app.outputs.name

@description('Name of the storage account with the lanes.')
output AZURE_STORAGE_ACCOUNT string = names.storage

@description('Address of the queue service, for platform services.')
output POSTERN_QUEUE_SERVICE_URI string = storage.outputs.queueServiceUri

@description('Address of the Key Vault.')
output KEY_VAULT_URI string = vault.outputs.uri

@description('Address that Azure gives the app.')
output POSTERN_APP_URL string = app.outputs.url

@description('Where people reach the app from outside.')
output POSTERN_PUBLIC_URL string = empty(publicUrl) ? app.outputs.url : publicUrl

@description('Redirect URI for the settings page and for the mail app registration.')
output POSTERN_REDIRECT_URI string = '${empty(publicUrl) ? app.outputs.url : publicUrl}/api/getoauthtoken'

@description('Client id of the registration that people and services sign in with.')
output POSTERN_AUTH_CLIENT_ID string = authClientId

@description('Client id of the registration for XOAUTH2.')
output POSTERN_MAIL_CLIENT_ID string = mailClientId

@description('Client id of the identity of the app.')
output POSTERN_IDENTITY_CLIENT_ID string = identity.outputs.clientId

@description('Object id of the identity of the app, which federated credentials name.')
output POSTERN_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('The address that outbound mail comes from; empty without a private network, where it changes.')
output POSTERN_OUTBOUND_ADDRESS string = network.?outputs.outboundAddress ?? ''
