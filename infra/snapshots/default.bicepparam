using '../main.bicep'

// The least that must be given; everything else has its default.
param environmentName = 'default'
param location = 'westeurope'
param authClientId = '11111111-1111-4111-8111-111111111111'
