/** Where a workflow's bundle lies. Apart: whoever only publishes has no `@temporalio/worker`, nor its types. */
export interface BundleOption {
  /** A file that was made before. */
  readonly codePath: string;
}
