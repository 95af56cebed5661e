using 'main.bicep'

// azd gives these from its environment: `azd env set NAME value`. What is not set here has its default in main.bicep.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param authClientId = readEnvironmentVariable('POSTERN_AUTH_CLIENT_ID')
param mailClientId = readEnvironmentVariable('POSTERN_MAIL_CLIENT_ID', '')
param publicUrl = readEnvironmentVariable('POSTERN_CUSTOM_URL', '')
param frontDoorId = readEnvironmentVariable('POSTERN_FRONT_DOOR_ID', '')
param senderPrincipalIds = json(readEnvironmentVariable('POSTERN_SENDERS', '[]'))
param alertEmails = json(readEnvironmentVariable('POSTERN_ALERT_EMAILS', '[]'))
param grantDeployer = bool(readEnvironmentVariable('POSTERN_GRANT_DEPLOYER', 'false'))
param privateNetwork = bool(readEnvironmentVariable('POSTERN_PRIVATE_NETWORK', 'false'))
param zoneRedundant = bool(readEnvironmentVariable('POSTERN_ZONE_REDUNDANT', 'false'))
param recoverVault = bool(readEnvironmentVariable('POSTERN_RECOVER_VAULT', 'false'))
