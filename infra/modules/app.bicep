metadata name = 'App'
metadata description = 'The Flex Consumption plan, the app, its settings and its sign-in (Easy Auth without a secret).'

import { laneFunctions } from '../names.bicep'

@description('Required. Name of the app.')
param name string

@description('Required. Name of the plan.')
param planName string

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.Web/sites@2025-03-01'>.tags

@description('Required. Name of the identity of the app.')
param identityName string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Container that the package is deployed to.')
param packageContainer string

@description('Required. Name of the Key Vault.')
param vaultName string

@description('Required. Name of the Application Insights component.')
param componentName string

@description('Required. Client id of the app registration that people and services sign in with.')
param authClientId string

@description('Required. Where people reach the app from outside; empty for the address that Azure gives it.')
param publicUrl string

@description('Required. Id of the Front Door profile that alone may call the app; empty for anybody.')
param frontDoorId string

@description('Required. Name of the network that outbound connections go through; empty for none.')
param networkName string

@description('Required. Version of Node.js.')
param nodeVersion ('22' | '24')

@description('Required. Memory of an instance in MB.')
param instanceMemory (512 | 2048 | 4096)

@description('Required. The most instances of each group that scales by itself.')
@minValue(1)
@maxValue(1000)
param maximumInstances int

@description('Required. Instances that always run: for HTTP and the timers, for ordinary mail, for priority mail.')
param alwaysReady { http: int, mail: int, priorityMail: int }

@description('Required. Seconds that one hand-over to the relay may take.')
@minValue(1)
@maxValue(540)
param submitTimeout int

@description('Required. Whether instances stand in several zones.')
param zoneRedundant bool

@description('Required. Whether a new version takes over from running work (preview) or ends it.')
param updateStrategy ('Recreate' | 'RollingUpdate')

@description('Required. Name of the workspace for the log of sign-ins.')
param workspaceName string

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' existing = { name: workspaceName }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = { name: identityName }

resource component 'Microsoft.Insights/components@2020-02-02' existing = { name: componentName }

var storageOf = toObject(
  ['blob', 'queue', 'table'],
  it => it,
  it => 'https://${storageName}.${it}.${environment().suffixes.storage}'
)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

var alwaysReadyGroups = filter(
  [
    { name: 'http', instanceCount: alwaysReady.http }
    { name: 'function:${laneFunctions.mail}', instanceCount: alwaysReady.mail }
    { name: 'function:${laneFunctions['mail-priority']}', instanceCount: alwaysReady.priorityMail }
  ],
  group => group.instanceCount > 0
)

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // azd finds the app that it deploys to by this tag.
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(networkName)
      ? null
      : resourceId('Microsoft.Network/virtualNetworks/subnets', networkName, 'app')
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: empty(frontDoorId) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: empty(frontDoorId)
        ? []
        : [
            {
              name: 'front-door'
              priority: 100
              action: 'Allow'
              tag: 'ServiceTag'
              ipAddress: 'AzureFrontDoor.Backend'
              headers: { 'x-azure-fdid': [frontDoorId] }
            }
          ]
      scmIpSecurityRestrictionsUseMain: false
    }
    // `siteUpdateStrategy` is newer than the compiler's description of the type.
    #disable-next-line BCP037
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storageOf.blob}/${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: { name: 'node', version: nodeVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyGroups
      }
      ...(updateStrategy == 'RollingUpdate' ? { siteUpdateStrategy: { type: 'RollingUpdate' } } : {})
    }
  }

  // These replace all settings that there are: a setting added by hand, such as a storage key, goes at the next run.
  resource settings 'config' = {
    name: 'appsettings'
    properties: {
      AzureWebJobsStorage__accountName: storageName
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identity.properties.clientId
      AzureWebJobsStorage__blobServiceUri: storageOf.blob
      AzureWebJobsStorage__queueServiceUri: storageOf.queue
      AzureWebJobsStorage__tableServiceUri: storageOf.table
      AzureWebJobsDisableHomepage: 'true'
      APPLICATIONINSIGHTS_CONNECTION_STRING: component.properties.ConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
      AZURE_CLIENT_ID: identity.properties.clientId
      KEY_VAULT_URI: 'https://${vaultName}${environment().suffixes.keyvaultDns}/'
      POSTERN_PUBLIC_URL: empty(publicUrl) ? 'https://${site.properties.defaultHostName}' : publicUrl
      POSTERN_SUBMIT_TIMEOUT_SECONDS: string(submitTimeout)
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId
      WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
    }
  }

  // Anybody may call; the app itself refuses, route by route, whoever has no role. So health and unsubscribe pages need
  // no list of exceptions here that could differ from the list in the code.
  resource signIn 'config' = {
    name: 'authsettingsV2'
    dependsOn: [settings]
    properties: {
      platform: { enabled: true, runtimeVersion: '~1' }
      globalValidation: {
        requireAuthentication: false
        unauthenticatedClientAction: 'AllowAnonymous'
        redirectToProvider: 'azureactivedirectory'
      }
      httpSettings: {
        requireHttps: true
        forwardProxy: { convention: empty(publicUrl) ? 'NoProxy' : 'Standard' }
      }
      identityProviders: {
        azureActiveDirectory: {
          enabled: true
          registration: {
            clientId: authClientId
            // The identity of the app vouches for it, by a federated credential; there is no secret.
            clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
            openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          }
          validation: {
            allowedAudiences: [authClientId, 'api://${authClientId}']
          }
        }
      }
      login: {
        preserveUrlFragmentsForLogins: true
        tokenStore: { enabled: false }
      }
    }
  }
}

// The only version of diagnostic settings that takes logs by category; it never left preview.
#disable-next-line use-recent-api-versions
resource signInLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: site
  name: 'to-workspace'
  properties: {
    workspaceId: workspace.id
    logs: [{ category: 'AppServiceAuthenticationLogs', enabled: true }]
  }
}

@description('Name of the app.')
output name string = site.name

@description('Address that Azure gives the app.')
output url string = 'https://${site.properties.defaultHostName}'
