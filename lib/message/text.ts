import { z } from 'zod';

/** Whether a text holds a C0 or C1 control character, DEL, or a Unicode line or paragraph separator. */
export const hasControl = (text: string): boolean => /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);

/** zod: a single line of text that cannot break out of a header. Length in UTF-16 units. */
export const singleLine = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !hasControl(text), 'must be a single line without control characters');
