import { type AlertName, alerts } from '../alerts.ts';
import { ceilingOf, countedIn, type LimitSettings, type Window } from './window.ts';

type Mark = Window['marks'][number];

/**
 * The thresholds that are warned of, as data. `ordinary` is where only the reserve is left: ordinary mail stops there,
 * long before the whole limit is used.
 */
const thresholds: Record<Mark, { alert: AlertName; stops: string; at(limit: LimitSettings): number | undefined }> = {
  warning: { alert: alerts.limitWarning, stops: 'nothing yet', at: (limit) => 0.8 * limit.per24Hours },
  ordinary: {
    alert: alerts.limitReached,
    stops: 'ordinary mail',
    at: (limit) => (limit.priorityReserve > 0 ? ceilingOf('ordinary', limit) : undefined),
  },
  all: { alert: alerts.limitReached, stops: 'all mail', at: (limit) => limit.per24Hours },
};

const marks = Object.keys(thresholds) as Mark[];

/** A mark goes only after this share of the limit became free, so that use around a threshold warns once. */
const slack = 0.05;

/** The window without the marks whose thresholds lie well above what is counted now. */
export const lowered = (window: Window, limit: LimitSettings): Window => {
  if (limit.per24Hours === 0) return { ...window, marks: [] };
  const counted = countedIn(window);
  const stays = (mark: Mark) => {
    const at = thresholds[mark].at(limit);
    return at !== undefined && (counted >= at || counted > at - slack * limit.per24Hours);
  };
  return { ...window, marks: window.marks.filter(stays) };
};

/** The window with a mark for each threshold that is reached, and the marks that are new. */
export const raised = (window: Window, limit: LimitSettings): { window: Window; crossed: Mark[] } => {
  if (limit.per24Hours === 0) return { window, crossed: [] };
  const counted = countedIn(window);
  const crossed = marks.filter((mark) => {
    const at = thresholds[mark].at(limit);
    return at !== undefined && counted >= at && !window.marks.includes(mark);
  });
  return { window: { ...window, marks: [...window.marks, ...crossed] }, crossed };
};

/** Name and fields of the alert log line for a mark. */
export const alertFor = (mark: Mark): { name: AlertName; stops: string } => ({
  name: thresholds[mark].alert,
  stops: thresholds[mark].stops,
});
