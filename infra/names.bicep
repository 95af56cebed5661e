metadata name = 'Names'
metadata description = 'What the code calls its queues, tables and container. A test holds these lists equal to the code.'

@export()
@description('The lanes (`lib/message/kinds.ts`). Each has a `-poison` queue beside it.')
var queueNames = ['mail', 'mail-priority']

@export()
@description('The tables (`lib/storage/azure.ts`).')
var tableNames = [
  'settings'
  'deliveries'
  'recipients'
  'keys'
  'parked'
  'donotemail'
  'limit'
  'relay'
  'oauth'
  'audit'
]

@export()
@description('The container of bodies that do not fit a queue message (`lib/storage/azure.ts`).')
var contentContainer = 'content'

@export()
@description('The function that takes from each lane (`functions/index.ts`); each scales as a group of its own.')
var laneFunctions = { mail: 'deliverMail', 'mail-priority': 'deliverMailPriority' }
