metadata name = 'Alerts'
metadata description = 'Rules on the alert lines that the code logs (`lib/alerts.ts`) and on the platform. Each has a section in docs/operations.md.'

@description('Required. Region.')
param location string

@description('Required. Tags of every resource.')
param tags resourceInput<'Microsoft.Insights/scheduledQueryRules@2026-03-01'>.tags

@description('Required. Addresses that alerts are mailed to, by Azure Monitor and not by Postern.')
param emails string[]

@description('Required. Resource ids of action groups that exist already.')
param actionGroupIds string[]

@description('Required. Name of the workspace that the rules query.')
param workspaceName string

@description('Required. Name of the storage account.')
param storageName string

@description('Required. Name of the Key Vault.')
param vaultName string

@description('Required. Permanently failed mails in 15 minutes that are still ordinary, such as mistyped addresses.')
@minValue(0)
param failedMailsAllowed int

type rule = {
  @description('Name of the rule. For a line of the log, the name that stands in it.')
  name: string

  @description('What the alert says.')
  title: string

  @description('0 critical, 1 error, 2 warning, 3 informational, 4 verbose.')
  severity: 0 | 1 | 2 | 3 | 4

  @description('How often the rule looks.')
  every: 'PT5M' | 'PT15M'

  @description('More lines than this within 15 minutes raise the alert.')
  above: int
}

var logRules rule[] = [
  {
    name: 'postern.relay.opened'
    title: 'The relay does not take mail; all mail waits'
    severity: 1
    every: 'PT5M'
    above: 0
  }
  {
    name: 'postern.relay.closed'
    title: 'The relay takes mail again'
    severity: 4
    every: 'PT15M'
    above: 0
  }
  {
    name: 'postern.mail.poison'
    title: 'The app could not process a mail and has set it aside as failed'
    severity: 1
    every: 'PT5M'
    above: 0
  }
  {
    name: 'postern.mail.oldest'
    title: 'A mail waits longer than it should'
    severity: 1
    every: 'PT5M'
    above: 0
  }
  {
    name: 'postern.delivery.failed'
    title: 'More mails than usual failed for good'
    severity: 2
    every: 'PT15M'
    above: failedMailsAllowed
  }
  {
    name: 'postern.delivery.uncertain'
    title: 'Nobody knows whether a mail was sent'
    severity: 2
    every: 'PT15M'
    above: 0
  }
  {
    name: 'postern.limit.warning'
    title: 'The limit of mails in 24 hours is nearly used up'
    severity: 3
    every: 'PT15M'
    above: 0
  }
  {
    name: 'postern.limit.reached'
    title: 'The limit of mails in 24 hours is reached; mail waits'
    severity: 2
    every: 'PT5M'
    above: 0
  }
  {
    name: 'postern.oauth.token-expiring'
    title: 'The OAuth consent ends soon'
    severity: 2
    every: 'PT15M'
    above: 0
  }
  {
    name: 'postern.oauth.token-broken'
    title: 'The OAuth consent is no longer accepted'
    severity: 1
    every: 'PT5M'
    above: 0
  }
  {
    name: 'postern.oauth.secret-expiring'
    title: 'The OAuth client secret ends soon'
    severity: 2
    every: 'PT15M'
    above: 0
  }
]

// A line is one JSON object (`lib/log.ts`), in which `event` is the name and `alert` is true. Whatever a log forwarder
// puts before the object does not matter; a line that only mentions a name is not one of these.
var query = '''AppTraces
| where Message has '{0}'
| extend line = parse_json(extract(@'(\{.*\})', 1, Message))
| where tostring(line.event) == '{0}'
| where tobool(line.alert)'''

resource workspace 'Microsoft.OperationalInsights/workspaces@2026-03-01' existing = { name: workspaceName }

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = { name: storageName }

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' existing = { name: vaultName }

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: 'ag-postern'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'postern'
    enabled: true
    emailReceivers: [
      for email in emails: {
        name: email
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

var actions = union(actionGroupIds, empty(emails) ? [] : [group.id])

resource lines 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for rule in logRules: {
    name: rule.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Postern: ${rule.title}'
      description: 'What to do: docs/operations.md, section ${rule.name}'
      severity: rule.severity
      enabled: true
      // A line is written once, when the trouble begins; that no second one follows does not mean that it is over.
      autoMitigate: false
      muteActionsDuration: 'PT15M'
      scopes: [workspace.id]
      evaluationFrequency: rule.every
      // Longer than the frequency, since lines arrive some minutes late.
      windowSize: 'PT15M'
      // The tables appear with the first line, after the rules.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(query, '{0}', rule.name)
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: rule.above
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: { actionGroups: actions }
    }
  }
]

// Timers run four times a minute, so half an hour without any invocation means that nothing of the app runs.
resource silent 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'postern.app.silent'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Postern: The app does not run'
    description: 'What to do: docs/operations.md, section postern.app.silent'
    severity: 0
    enabled: true
    autoMitigate: true
    scopes: [workspace.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AppRequests | summarize invocations = count()'
          metricMeasureColumn: 'invocations'
          timeAggregation: 'Total'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: actions }
  }
}

// A refused request (4xx) is the caller's fault and no failure of the app.
resource failing 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'postern.app.failing'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Postern: Functions of the app fail'
    description: 'What to do: docs/operations.md, section postern.app.failing'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [workspace.id]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: 'AppRequests | where not(Success) | where not(ResultCode startswith "4")'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 5
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: actions }
  }
}

resource vaultRefuses 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'postern.vault.refuses'
  location: 'global'
  tags: tags
  properties: {
    description: 'Postern: Key Vault refuses or throttles. What to do: docs/operations.md, section postern.vault.refuses'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [vault.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'refused'
          metricNamespace: 'Microsoft.KeyVault/vaults'
          metricName: 'ServiceApiResult'
          dimensions: [{ name: 'StatusCode', operator: 'Include', values: ['403', '429'] }]
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [for id in actions: { actionGroupId: id }]
  }
}

resource storageRefuses 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: 'postern.storage.refuses'
  location: 'global'
  tags: tags
  properties: {
    description: 'Postern: Storage refuses or throttles. What to do: docs/operations.md, section postern.storage.refuses'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [account.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'refused'
          metricNamespace: 'Microsoft.Storage/storageAccounts'
          metricName: 'Transactions'
          dimensions: [
            {
              name: 'ResponseType'
              operator: 'Include'
              values: ['AuthorizationError', 'ClientThrottlingError', 'ServerBusyError', 'ServerOtherError']
            }
          ]
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 10
        }
      ]
    }
    actions: [for id in actions: { actionGroupId: id }]
  }
}
