import { randomBytes, randomUUID } from 'node:crypto';
import { auditLog } from '../lib/audit/audit.ts';
import { type Clock, type Random, systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { acceptance } from '../lib/delivery/accept.ts';
import { type Lanes, queueLanes } from '../lib/delivery/carrier.ts';
import { composeMail } from '../lib/delivery/compose-mail.ts';
import { contentStore } from '../lib/delivery/content.ts';
import { deliveryDesk } from '../lib/delivery/desk.ts';
import { expired, type Gate, notBefore } from '../lib/delivery/gates.ts';
import { idempotencyKeys } from '../lib/delivery/keys.ts';
import { lastResort } from '../lib/delivery/last-resort.ts';
import { ledger } from '../lib/delivery/ledger.ts';
import { parking } from '../lib/delivery/parking.ts';
import { doNotEmail, withinLimit } from '../lib/delivery/room-gates.ts';
import { deliveryVerbs } from '../lib/delivery/verbs.ts';
import { watchOf } from '../lib/delivery/watch.ts';
import { unsubscribeLinks } from '../lib/do-not-email/link.ts';
import { doNotEmailList } from '../lib/do-not-email/list.ts';
import { signingKeys } from '../lib/do-not-email/signing-keys.ts';
import { unsubscribeTokens } from '../lib/do-not-email/token.ts';
import type { AnyRoute } from '../lib/http/route.ts';
import { rollingLimit, windowRow } from '../lib/limit/limit.ts';
import { consoleLog, type Log } from '../lib/log.ts';
import { type Lane, lanes as laneNames } from '../lib/message/kinds.ts';
import { unconnected } from '../lib/oauth/unconnected.ts';
import { relayRoom } from '../lib/relay/relay.ts';
import { settingsRoom } from '../lib/settings/room.ts';
import { type AzureClients, azureClients } from '../lib/storage/azure.ts';
import { vaultSecrets } from '../lib/storage/secrets.ts';
import { auditRoutes } from './http/audit.ts';
import { deliveryRoutes } from './http/deliveries.ts';
import { messageRoutes } from './http/messages.ts';
import { metaRoutes } from './http/meta.ts';
import { settingsRoutes } from './http/settings.ts';
import { testEmailRoutes } from './http/test-email.ts';
import { unsubscribeRoutes } from './http/unsubscribe.ts';
import { poison } from './timer/poison.ts';

export interface World {
  azure?: AzureClients;
  clock?: Clock;
  random?: Random;
  log?: Log;
  lanes?: Lanes;
  wait?(milliseconds: number): Promise<unknown>;
}

const inTime = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Postern's table of contents: what there is and what it is made of. Nothing is decided here. Whatever a test wants to
 * hold still comes in as `world`; the rest is the real thing.
 */
export const composePostern = (config: Config, world: World = {}) => {
  const { clock = systemClock, random = Math.random, log = consoleLog, wait = inTime } = world;
  const azure = world.azure ?? azureClients(config);
  const newWriter = randomUUID;

  const secrets = vaultSecrets(azure.vault);
  const audit = auditLog({ table: azure.table('audit'), clock });
  const settings = settingsRoom({ table: azure.table('settings'), secrets, clock, log, audit });
  const list = doNotEmailList({ table: azure.table('donotemail'), clock, wait });
  const signing = signingKeys({ secrets, clock, makeKey: () => randomBytes(32) });
  const tokens = unsubscribeTokens({ keys: signing, clock });
  const limit = rollingLimit({ row: windowRow(azure.table('limit')), clock, log, handOver: config.submitTimeout });

  const book = ledger(azure.table('deliveries'), azure.table('recipients'));
  const keys = idempotencyKeys(azure.table('keys'));
  const lanes = world.lanes ?? queueLanes(azure.queue);
  const content = contentStore(() => azure.container('content'));
  const parked = parking(azure.table('parked'), lanes, clock);
  const relay = relayRoom({ settings, tokens: unconnected, submitTimeout: config.submitTimeout, clock, log });

  const gates: Gate[] = [expired, notBefore, doNotEmail(list), withinLimit(limit)];
  const compose = composeMail(unsubscribeLinks({ tokens, publicUrl: config.publicUrl }));
  const desk = deliveryDesk({
    ...{
      ledger: book,
      lanes,
      parking: parked,
      content,
      settings,
      relay,
      watch: watchOf({ limit, clock }),
      gates,
      compose,
    },
    ...{ clock, random, newWriter, submitTimeout: config.submitTimeout, log },
  });
  const last = lastResort({ ledger: book, lanes, clock, newWriter, log });
  const accept = acceptance({ ledger: book, keys, lanes, content, desk, lastResort: last, clock, newWriter, log });
  const verbs = deliveryVerbs({ ledger: book, lanes, audit, clock, newWriter });

  const routes: AnyRoute[] = [
    ...settingsRoutes({ settings }),
    ...testEmailRoutes({ acceptance: accept, ledger: book, settings, audit, wait }),
    ...messageRoutes({ acceptance: accept, desk, ledger: book, keys }),
    ...deliveryRoutes(verbs),
    ...unsubscribeRoutes({ list, tokens, clock, log }),
    ...auditRoutes(audit),
    ...metaRoutes({
      routes: () => routes,
      publicUrl: config.publicUrl,
      version: '1',
      probe: async () => {
        await settings.read();
      },
      log,
    }),
  ];

  const everyLane = Object.values(laneNames);
  return {
    routes,
    edge: { easyAuth: config.easyAuth, publicUrl: config.publicUrl, log },
    queues: everyLane.map((name) => ({ name, acceptance: accept })),
    timers: {
      poison: async () => {
        for (const name of everyLane) await poison(name, azure.queue(`${name}-poison`), last);
      },
    },
    close: async () => {
      await relay.close();
      await limit.close();
    },
    rooms: {
      settings,
      list,
      limit,
      ledger: book,
      keys,
      lanes,
      content,
      parking: parked,
      relay,
      desk,
      acceptance: accept,
      verbs,
      audit,
      lastResort: last,
    },
  };
};

export type Postern = ReturnType<typeof composePostern>;
export type { Lane };
