import { randomBytes, randomUUID } from 'node:crypto';
import { auditLog } from '../lib/audit/audit.ts';
import { type Clock, minutes, type Random, seconds, systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { acceptance } from '../lib/delivery/accept.ts';
import { type Lanes, queueLanes } from '../lib/delivery/carrier.ts';
import { composeMail } from '../lib/delivery/compose-mail.ts';
import { contentStore } from '../lib/delivery/content.ts';
import { deliveryDesk } from '../lib/delivery/desk.ts';
import { drainLease, drainOf } from '../lib/delivery/drain.ts';
import { explainer } from '../lib/delivery/explain.ts';
import { expired, type Gate, notBefore } from '../lib/delivery/gates.ts';
import { idempotencyKeys } from '../lib/delivery/keys.ts';
import { lastResort } from '../lib/delivery/last-resort.ts';
import { ledger } from '../lib/delivery/ledger.ts';
import { parking, waitingIn } from '../lib/delivery/parking.ts';
import { retention } from '../lib/delivery/retention.ts';
import {
  configured,
  doNotEmail,
  feedback,
  inPace,
  notPaused,
  relayOpen,
  withinLimit,
} from '../lib/delivery/room-gates.ts';
import { stoppedMail } from '../lib/delivery/stopped-mail.ts';
import { deliveryVerbs } from '../lib/delivery/verbs.ts';
import { ageOutDoNotEmail } from '../lib/do-not-email/age-out.ts';
import { bounceFeedback } from '../lib/do-not-email/bounces.ts';
import { unsubscribeLinks } from '../lib/do-not-email/link.ts';
import { doNotEmailList } from '../lib/do-not-email/list.ts';
import { signingKeys } from '../lib/do-not-email/signing-keys.ts';
import { unsubscribeTokens } from '../lib/do-not-email/token.ts';
import type { AnyRoute } from '../lib/http/route.ts';
import { rollingLimit, windowRow } from '../lib/limit/limit.ts';
import { pace, paceRow } from '../lib/limit/pace.ts';
import { consoleLog, type Log } from '../lib/log.ts';
import { type Lane, lanes as laneNames } from '../lib/message/kinds.ts';
import { oauthRoom } from '../lib/oauth/room.ts';
import { breaker } from '../lib/relay/breaker.ts';
import { pauseSwitch } from '../lib/relay/pause.ts';
import { relayRoom } from '../lib/relay/relay.ts';
import { relayRow, sharedRelayState } from '../lib/relay/state.ts';
import { afterSave } from '../lib/settings/after-save.ts';
import { settingsRoom } from '../lib/settings/room.ts';
import { type AzureClients, azureClients } from '../lib/storage/azure.ts';
import { vaultSecrets } from '../lib/storage/secrets.ts';
import { auditRoutes } from './http/audit.ts';
import { checkRoutes } from './http/check.ts';
import { deliveryRoutes } from './http/deliveries.ts';
import { doNotEmailRoutes } from './http/do-not-email.ts';
import { doNotEmailCsvRoutes } from './http/do-not-email-csv.ts';
import { doNotEmailOverrideRoutes } from './http/do-not-email-overrides.ts';
import { explainRoutes } from './http/explain.ts';
import { messageRoutes } from './http/messages.ts';
import { metaRoutes } from './http/meta.ts';
import { oauthRoutes } from './http/oauth.ts';
import { relayRoutes } from './http/relay.ts';
import { settingsRoutes } from './http/settings.ts';
import { testEmailRoutes } from './http/test-email.ts';
import { unsubscribeRoutes } from './http/unsubscribe.ts';
import { usageRoutes } from './http/usage.ts';
import { oldestSeen, watchOldestMail } from './timer/oldest.ts';
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
  const room = settingsRoom({ table: azure.table('settings'), secrets, clock, log, audit });
  const list = doNotEmailList({ table: azure.table('donotemail'), clock, wait });
  const bounces = bounceFeedback({ table: azure.table('donotemail'), list, audit, clock, log });
  const signing = signingKeys({ secrets, clock, makeKey: () => randomBytes(32) });
  const tokens = unsubscribeTokens({ keys: signing, clock });
  const handOver = config.submitTimeout + minutes(1);
  const limit = rollingLimit({ row: windowRow(azure.table('limit')), clock, log, handOver });
  const state = sharedRelayState({ row: relayRow(azure.table('relay')), clock });
  const fuse = breaker({ state, clock, random, log, probeTime: handOver });
  const pause = pauseSwitch({ state, clock });

  const book = ledger(azure.table('deliveries'), azure.table('recipients'));
  const keys = idempotencyKeys(azure.table('keys'));
  const lanes = world.lanes ?? queueLanes(azure.queue);
  const content = contentStore(() => azure.container('content'));
  const parked = parking(azure.table('parked'), lanes, clock);
  const drain = drainOf({
    ...{ parking: parked, lease: drainLease(azure.table('parked')), settings: room, pause, breaker: fuse, limit },
    ...{ clock, log },
  });
  const undrained = (error: unknown) => log.warn('postern.parking.undrained', { error: String(error).slice(0, 300) });
  /** Whoever ends a wait does not wait for those who waited; the timer releases what this leaves. */
  const drainSoon = async () => {
    drain().catch(undrained);
  };
  /** What was saved is saved, whether or not the relay's row can be reached now; its next probe comes anyway. */
  const tryAgain = async (): Promise<void> => {
    oauth.tryAgain();
    await fuse.probeNow().catch(undrained);
    await drainSoon();
  };
  const settings = afterSave(room, tryAgain);
  const oauth = oauthRoom({
    ...{ table: azure.table('oauth'), secrets, settings, audit, clock, log },
    ...{ credential: azure.credential, authorityHost: config.entraAuthorityHost, connected: tryAgain },
    secretText: () => randomBytes(32).toString('base64url'),
  });
  const relay = relayRoom({ settings, tokens: oauth.tokens, submitTimeout: config.submitTimeout, clock, log });

  const gates: Gate[] = [
    ...[expired, notBefore, configured, notPaused(pause), relayOpen(fuse, drainSoon)],
    ...[inPace(pace({ row: paceRow(azure.table('limit')), clock }), wait), doNotEmail(list, feedback(bounces, fuse))],
    withinLimit(limit, clock.now),
  ];
  const compose = composeMail(unsubscribeLinks({ tokens, publicUrl: config.publicUrl }));
  const desk = deliveryDesk({
    ...{
      ledger: book,
      lanes,
      parking: parked,
      content,
      settings,
      relay,
      gates,
      compose,
    },
    ...{ clock, random, newWriter, submitTimeout: config.submitTimeout, wait, log },
  });
  const last = lastResort({ ledger: book, keys, lanes, content, clock, newWriter, log });
  const accept = acceptance({
    ...{ ledger: book, keys, lanes, content, desk, lastResort: last },
    ...{ clock, random, newWriter, log },
  });
  const verbs = deliveryVerbs({ ledger: book, lanes, parking: parked, audit, clock, newWriter });

  const ageOut = retention({
    ...{ deliveries: azure.table('deliveries'), recipients: azure.table('recipients'), keys: azure.table('keys') },
    ...{ ledger: book, audit, content, settings, clock, ageOutDoNotEmail: ageOutDoNotEmail(azure.table('donotemail')) },
  });

  const routes: AnyRoute[] = [
    ...settingsRoutes({ settings, oauth }),
    ...testEmailRoutes({ acceptance: accept, ledger: book, settings, audit, wait }),
    ...oauthRoutes(oauth),
    ...checkRoutes({ settings, tokens: oauth.tokens, clock, timeout: seconds(60) }),
    ...explainRoutes(explainer({ gates, settings, clock })),
    ...messageRoutes({ acceptance: accept, desk, ledger: book, keys }),
    ...deliveryRoutes(verbs),
    ...relayRoutes({
      ...{ state, breaker: fuse, pause, limit, audit, oauth, waiting: () => waitingIn(parked), drain: drainSoon, log },
    }),
    ...usageRoutes({ limit, settings: settings.refresh }),
    ...doNotEmailRoutes({
      list,
      table: azure.table('donotemail'),
      audit,
      settings,
      clock,
      bounces,
      stoppedBy: stoppedMail(book),
    }),
    ...doNotEmailOverrideRoutes({ ledger: book, settings, clock }),
    ...doNotEmailCsvRoutes({ list, table: azure.table('donotemail'), audit, clock, uniqueId: newWriter, wait }),
    ...unsubscribeRoutes({ list, tokens, audit, clock, log }),
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
      drain: async () => {
        await drain();
      },
      expireParked: async () => {
        await parked.releaseExpired();
      },
      ageOut: async () => {
        await ageOut();
      },
      renewToken: oauth.daily,
      poison: async () => {
        for (const name of everyLane) await poison(name, azure.queue(`${name}-poison`), last);
      },
      oldest: watchOldestMail({ queue: azure.queue, seen: oldestSeen(azure.table('relay')), clock, log }),
    },
    close: async () => {
      await relay.close();
      await oauth.close();
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
