import type { SettingsRoom } from './room.ts';

/** The room, with something to do after each save: what waited for other settings may go now. */
export const afterSave = (room: SettingsRoom, then: () => Promise<void>): SettingsRoom => ({
  ...room,
  save: async (draft, saver) => {
    const saved = await room.save(draft, saver);
    await then();
    return saved;
  },
});
