import type { ObjectChange } from "./api-server.ts";
import { SERVICE_NAME_LABEL } from "./endpoints.ts";
import type { EndpointSlice, KubeObject } from "./model.ts";

const NONE: readonly EndpointSlice[] = [];

/** The EndpointSlices of each Service. To be told of every change. */
export class SliceIndex {
  /** By Service, in the order of their names; a changed list is a new one. */
  readonly #slices = new Map<string, readonly EndpointSlice[]>();

  follow({ type, object, before }: ObjectChange): void {
    if (object.kind !== "EndpointSlice") return;
    this.#take(before ?? object);
    if (type === "deleted") return;
    const service = serviceKeyOf(object);
    if (service === undefined) return;
    const slices = [...this.of(service), object];
    this.#slices.set(
      service,
      slices.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    );
  }

  /** Those of the Service `namespace/name`; the same list until one of them changes. */
  of(service: string): readonly EndpointSlice[] {
    return this.#slices.get(service) ?? NONE;
  }

  #take(gone: KubeObject): void {
    const service = serviceKeyOf(gone);
    if (service === undefined) return;
    const left = this.of(service).filter(({ metadata }) => metadata.name !== gone.metadata.name);
    if (left.length > 0) this.#slices.set(service, left);
    else this.#slices.delete(service);
  }
}

/** The Service that a slice says it belongs to, as `namespace/name`. */
export function serviceKeyOf(slice: KubeObject): string | undefined {
  const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return slice.kind === "EndpointSlice" && name !== undefined ? `${slice.metadata.namespace}/${name}` : undefined;
}
