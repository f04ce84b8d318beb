import { type FieldError, invalidValue } from "./api-error.ts";

/*
 * What names may look like (k8s.io/apimachinery/pkg/util/validation), with the API server's own words for those that do not.
 */

const DNS_1123_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_1123_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS_1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const PORT_NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Names of Services: they become DNS labels of the old kind, which start with a letter. */
export function checkDns1035Label(path: string, name: string): readonly FieldError[] {
  if (name.length > 63) return [invalidValue(path, name, "must be no more than 63 characters")];
  if (DNS_1035_LABEL.test(name)) return [];
  return [
    invalidValue(
      path,
      name,
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ),
  ];
}

/** Names of ports of Services, and of namespaces. */
export function checkDns1123Label(path: string, name: string): readonly FieldError[] {
  if (name.length > 63) return [invalidValue(path, name, "must be no more than 63 characters")];
  if (DNS_1123_LABEL.test(name)) return [];
  return [
    invalidValue(
      path,
      name,
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ),
  ];
}

/** Names of everything else. */
export function checkDns1123Subdomain(path: string, name: string): readonly FieldError[] {
  if (name.length > 253) return [invalidValue(path, name, "must be no more than 253 characters")];
  if (DNS_1123_SUBDOMAIN.test(name)) return [];
  return [
    invalidValue(
      path,
      name,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ),
  ];
}

/** Names of target ports: those that containers may give to theirs (RFC 6335 §5.1). */
export function checkPortName(path: string, name: string): readonly FieldError[] {
  if (name.length > 15) return [invalidValue(path, name, "must be no more than 15 characters")];
  if (!/[a-z]/.test(name)) return [invalidValue(path, name, "must contain at least one letter (a-z)")];
  if (PORT_NAME.test(name)) return [];
  return [
    invalidValue(
      path,
      name,
      "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and must not begin or end with a hyphen",
    ),
  ];
}
