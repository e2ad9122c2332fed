/** What the delivery engine tells about itself; a binding turns it into its metrics. All optional. */
export interface DeliveryMetrics {
  /** A delivery came to an end or goes back into the queue. */
  readonly ended?: (labels: {
    readonly target: string;
    readonly outcome: string;
    readonly errorClass: string | null;
  }) => void;
  /** Time and size of a transfer that landed. */
  readonly transferred?: (labels: { readonly target: string }, seconds: number, bytes: number) => void;
  /** Transfers running in this process, whenever that changes. */
  readonly running?: (count: number) => void;
  /** A target or backend stopped (`true`) or works again. */
  readonly paused?: (labels: { readonly what: string }, paused: boolean) => void;
}
