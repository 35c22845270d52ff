/** Something that whoever runs the store should know, but that no call fails with. */
export interface StoreEvent {
  readonly level: 'info' | 'warn' | 'error';
  /** A constant phrase; what varies is in `fields`. */
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Takes such events. */
export type Report = (event: StoreEvent) => void;
