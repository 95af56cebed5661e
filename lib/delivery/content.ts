import type { ContainerClient } from '@azure/storage-blob';
import { PosternError } from '../errors.ts';
import { type Content, content as contentSchema, type Mail } from '../message/contract.ts';
import { isMissing } from '../storage/table.ts';
import { mostQueueBytes } from './carrier.ts';

/**
 * Claim check: what does not fit a queue message lies in a blob, and the message holds its name. Blobs stay until the
 * delivery's rows age out.
 */
export interface ContentStore {
  /** Moves text, HTML and attachments to a blob where the mail is too big to travel inline. At most one write. */
  lighten(mail: Mail, messageId: string): Promise<Mail>;
  /**
   * What the recipient reads, from the mail or its blob.
   * @throws MissingContent where the blob is not there or not readable as content; it names the blob
   */
  of(mail: Mail): Promise<Content>;
  /** Keeps any JSON under a name. */
  put(name: string, value: unknown): Promise<void>;
  /** @throws MissingContent */
  get(name: string): Promise<unknown>;
  /** Deleting what is not there is fine. */
  remove(name: string): Promise<void>;
}

export class MissingContent extends PosternError {
  constructor(blob: string, why: string, cause?: unknown) {
    super('not-found', `The content “${blob}” ${why}.`, { cause });
    this.name = 'MissingContent';
  }
}

/** Room for the carrier's own fields and one recipient beside the mail. */
const envelopeBytes = 2560;

export const contentStore = (container: () => ContainerClient): ContentStore => {
  const put = async (name: string, value: unknown) => {
    const text = JSON.stringify(value);
    await container()
      .getBlockBlobClient(name)
      .upload(text, Buffer.byteLength(text), { blobHTTPHeaders: { blobContentType: 'application/json' } });
  };
  const get = async (name: string): Promise<unknown> => {
    let bytes: Buffer;
    try {
      bytes = await container().getBlockBlobClient(name).downloadToBuffer();
    } catch (error) {
      if (isMissing(error)) throw new MissingContent(name, 'is not in the container', error);
      throw error;
    }
    try {
      return JSON.parse(bytes.toString('utf8'));
    } catch (error) {
      throw new MissingContent(name, 'is not JSON', error);
    }
  };
  return {
    put,
    get,
    lighten: async (mail, messageId) => {
      const { text, html, attachments, ...rest } = mail;
      if (rest.content || Buffer.byteLength(JSON.stringify({ ...mail, to: [] })) + envelopeBytes <= mostQueueBytes) {
        return mail;
      }
      const blob = contentBlobOf(messageId);
      await put(blob, { text, html, attachments });
      return { ...rest, content: { blob } };
    },
    of: async (mail) => {
      if (!mail.content) return { text: mail.text, html: mail.html, attachments: mail.attachments };
      const read = contentSchema.safeParse(await get(mail.content.blob));
      if (read.success) return read.data;
      const [issue] = read.error.issues;
      throw new MissingContent(
        mail.content.blob,
        `is not a mail's content: ${issue?.path.join('.')} ${issue?.message}`,
      );
    },
    remove: async (name) => {
      await container().getBlockBlobClient(name).deleteIfExists();
    },
  };
};

export const contentBlobOf = (messageId: string): string => `messages/${messageId}/content.json`;

/** The whole message, kept while its recipients are being split. */
export const messageBlobOf = (messageId: string): string => `messages/${messageId}/message.json`;
