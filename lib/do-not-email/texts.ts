import type { Kind } from '../message/kinds.ts';

/** Everything that recipients read, by language. */
const en = {
  footer: 'You get this mail from your file-sharing service. To stop such mail:',
  footerLink: 'Unsubscribe',
  title: 'Unsubscribe',
  question: (address: string) => `Stop mail to ${address}?`,
  which: 'What should stop?',
  onlyKind: (kind: string) => `Only this kind: ${kind}`,
  all: 'All mail from this service',
  act: 'Unsubscribe',
  done: 'You are unsubscribed',
  doneKind: (address: string, kind: string) => `${address} gets no more mail of this kind: ${kind}.`,
  doneAll: (address: string) => `${address} gets no more mail from this service.`,
  wasNotMe: 'Was that not you, or a slip?',
  undo: 'Undo',
  undone: 'Undone',
  undoneText: (address: string) => `${address} gets mail as before.`,
  changed: 'Nothing was undone',
  changedText: 'The entry has changed since. Please ask the administrator of the service.',
  invalid: 'This link is not valid',
  invalidText: 'Please use the whole link as it stands in the mail, or ask the administrator of the service.',
  failed: 'That did not work',
  failedText: 'Your choice could not be saved. Please try again in a few minutes.',
  away: 'Not just now',
  awayText: 'The service cannot check this link at the moment. Nothing has changed. Please try again in a few minutes.',
  kinds: {
    share: 'files shared with you',
    'file-change': 'changes in folders that you watch',
    error: 'error notifications',
    notice: 'news from the service',
    'password-recovery': 'password recovery',
    'two-factor': 'sign-in codes',
    test: 'test mail',
  } as Record<Kind, string>,
};

export type Texts = typeof en;

const de: Texts = {
  footer: 'Sie erhalten diese Mail von Ihrem Dateidienst. Solche Mails abbestellen:',
  footerLink: 'Abbestellen',
  title: 'Abbestellen',
  question: (address) => `Mails an ${address} abbestellen?`,
  which: 'Was möchten Sie abbestellen?',
  onlyKind: (kind) => `Nur diese Art: ${kind}`,
  all: 'Alle Mails dieses Dienstes',
  act: 'Abbestellen',
  done: 'Abbestellt',
  doneKind: (address, kind) => `${address} erhält keine Mails dieser Art mehr: ${kind}.`,
  doneAll: (address) => `${address} erhält keine Mails dieses Dienstes mehr.`,
  wasNotMe: 'Das waren nicht Sie, oder es war ein Versehen?',
  undo: 'Rückgängig machen',
  undone: 'Rückgängig gemacht',
  undoneText: (address) => `${address} erhält Mails wie zuvor.`,
  changed: 'Nichts wurde rückgängig gemacht',
  changedText: 'Der Eintrag hat sich inzwischen geändert. Bitte wenden Sie sich an die Administration des Dienstes.',
  invalid: 'Dieser Link ist nicht gültig',
  invalidText:
    'Bitte verwenden Sie den ganzen Link aus der Mail, oder wenden Sie sich an die Administration des Dienstes.',
  failed: 'Das hat nicht geklappt',
  failedText: 'Ihre Wahl konnte nicht gespeichert werden. Bitte versuchen Sie es in einigen Minuten noch einmal.',
  away: 'Im Moment nicht',
  awayText:
    'Der Dienst kann diesen Link gerade nicht prüfen. Nichts hat sich geändert. Bitte versuchen Sie es in einigen Minuten noch einmal.',
  kinds: {
    share: 'mit Ihnen geteilte Dateien',
    'file-change': 'Änderungen in Ordnern, die Sie beobachten',
    error: 'Fehlermeldungen',
    notice: 'Nachrichten des Dienstes',
    'password-recovery': 'Kennwort zurücksetzen',
    'two-factor': 'Anmeldecodes',
    test: 'Testmails',
  },
};

export const texts = { en, de };

export type Language = keyof typeof texts;

/** The language that an HTML mail declares, English where it declares none or one without texts. */
export const languageOf = (html: string | undefined): Language => {
  const declared = /<html\b[^>]*\blang\s*=\s*["']?([a-z]{2})\b/i.exec(html ?? '')?.[1]?.toLowerCase();
  return isLanguage(declared) ? declared : 'en';
};

/** The best of the languages that a browser accepts (RFC 9110 section 12.5.4), English where none fits. */
export const acceptedLanguage = (header: string | null): Language => {
  const wishes = (header ?? '')
    .split(',')
    .map((part) => {
      const [range = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((it) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(it)?.[1]).find(Boolean);
      return { language: range.trim().split('-')[0], quality: Number(quality ?? 1) };
    })
    .filter(({ quality }) => quality > 0)
    .sort((one, other) => other.quality - one.quality);
  const best = wishes.map(({ language }) => language).find(isLanguage);
  return best ?? 'en';
};

const isLanguage = (name: string | undefined): name is Language => name !== undefined && Object.hasOwn(texts, name);
