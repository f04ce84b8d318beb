import { parseIpv4, parseSloppyCidr } from "./address.ts";
import { duplicateValue, type FieldError, forbidden, invalidValue, requiredValue } from "./api-error.ts";
import type { Service, ServicePortSpec } from "./model.ts";
import { checkDns1035Label, checkDns1123Label, checkDns1123Subdomain, checkPortName } from "./name-rules.ts";
import { isHeadless, needsClusterIp, needsExternalTrafficPolicy, needsHealthCheckPort } from "./service-type.ts";

/** What the API server refuses in a Service with its defaults filled in (pkg/apis/core/validation ValidateService). */
export function validateService(service: Service): readonly FieldError[] {
  return [
    ...checkDns1035Label("metadata.name", service.metadata.name),
    ...validateNeeds(service),
    ...validatePorts(service),
    ...validateAddresses(service),
    ...validateTypeFields(service),
  ];
}

/** What cannot change once it is set (ValidateServiceUpdate). */
export function validateServiceUpdate(next: Service, old: Service): readonly FieldError[] {
  const errors: FieldError[] = [];
  const before = old.spec.clusterIP ?? "";
  if (needsClusterIp(old) && needsClusterIp(next) && before !== "" && next.spec.clusterIP !== before)
    errors.push(invalidValue("spec.clusterIPs[0]", [next.spec.clusterIP ?? ""], "may not change once set"));
  if (
    needsHealthCheckPort(old) &&
    needsHealthCheckPort(next) &&
    next.spec.healthCheckNodePort !== old.spec.healthCheckNodePort
  )
    errors.push(forbidden("spec.healthCheckNodePort", "field is immutable"));
  return errors;
}

function validateNeeds(service: Service): readonly FieldError[] {
  const { spec } = service;
  const errors: FieldError[] = [];
  if ((spec.ports ?? []).length === 0 && !isHeadless(service) && spec.type !== "ExternalName")
    errors.push(requiredValue("spec.ports"));
  if (spec.type === "LoadBalancer" && isHeadless(service))
    errors.push(invalidValue("spec.clusterIPs[0]", "None", "may not be set to 'None' for LoadBalancer services"));
  if (spec.type === "NodePort" && isHeadless(service))
    errors.push(invalidValue("spec.clusterIPs[0]", "None", "may not be set to 'None' for NodePort services"));
  if (spec.type === "ExternalName") {
    if ((spec.clusterIP ?? "") !== "")
      errors.push(forbidden("spec.clusterIPs[0]", "may not be set when `type` is 'ExternalName'"));
    const name = spec.externalName?.replace(/\.$/, "") ?? "";
    if (name === "") errors.push(requiredValue("spec.externalName"));
    else errors.push(...checkDns1123Subdomain("spec.externalName", name));
  }
  return errors;
}

function validatePorts(service: Service): readonly FieldError[] {
  const { ports = [], type } = service.spec;
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const portKeys = new Set<string>();
  const nodePortKeys = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    errors.push(...validatePortName(port, path, ports.length > 1, names), ...validateTargetPort(service, port, path));
    if (port.nodePort && type !== "NodePort" && type !== "LoadBalancer")
      errors.push(forbidden(`${path}.nodePort`, `may not be used when \`type\` is '${type}'`));
    if (portKeys.has(`${port.protocol}/${port.port}`)) errors.push({ path, message: duplicatePort(port) });
    portKeys.add(`${port.protocol}/${port.port}`);
    if (!port.nodePort) continue;
    if (nodePortKeys.has(`${port.protocol}/${port.nodePort}`))
      errors.push(duplicateValue(`${path}.nodePort`, port.nodePort));
    nodePortKeys.add(`${port.protocol}/${port.nodePort}`);
  }
  return errors;
}

function validatePortName(
  port: ServicePortSpec,
  path: string,
  needsName: boolean,
  names: Set<string>,
): readonly FieldError[] {
  const name = port.name ?? "";
  if (name === "") return needsName ? [requiredValue(`${path}.name`)] : [];
  const errors = [...checkDns1123Label(`${path}.name`, name)];
  if (names.has(name)) errors.push(duplicateValue(`${path}.name`, name));
  names.add(name);
  return errors;
}

function validateTargetPort(service: Service, port: ServicePortSpec, path: string): readonly FieldError[] {
  if (typeof port.targetPort === "string") return checkPortName(`${path}.targetPort`, port.targetPort);
  // Nothing rewrites ports on the way to a headless Service's pods.
  if (isHeadless(service) && port.targetPort !== port.port)
    return [
      invalidValue(`${path}.targetPort`, port.targetPort, "must be equal to the value of 'port' when clusterIP = None"),
    ];
  return [];
}

function duplicatePort(port: ServicePortSpec): string {
  return `Duplicate value: core.ServicePort{Name:"", Protocol:"${port.protocol}", AppProtocol:(*string)(nil), Port:${port.port}, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}`;
}

function validateAddresses(service: Service): readonly FieldError[] {
  const { clusterIP = "", externalIPs = [], loadBalancerSourceRanges = [], type } = service.spec;
  const errors: FieldError[] = [];
  const notAnAddress = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
  if (clusterIP !== "" && clusterIP !== "None" && parseIpv4(clusterIP) === undefined)
    errors.push(invalidValue("spec.clusterIPs[0]", clusterIP, notAnAddress));
  for (const [index, ip] of externalIPs.entries()) {
    const path = `spec.externalIPs[${index}]`;
    const address = parseIpv4(ip);
    if (address === undefined) errors.push(invalidValue(path, ip, notAnAddress));
    else errors.push(...validatePublicAddress(path, ip, address));
  }
  if (loadBalancerSourceRanges.length > 0 && type !== "LoadBalancer")
    errors.push(forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'"));
  for (const [index, range] of loadBalancerSourceRanges.entries()) {
    if (parseSloppyCidr(range) === undefined)
      errors.push(
        invalidValue(
          `spec.LoadBalancerSourceRanges[${index}]`,
          range,
          "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ),
      );
  }
  return errors;
}

/** Addresses that mean "this host" or "this link" cannot be reached from elsewhere (ValidateNonSpecialIP). */
function validatePublicAddress(path: string, text: string, address: number): readonly FieldError[] {
  if (address === 0) return [invalidValue(path, text, "may not be unspecified (0.0.0.0 or ::)")];
  if (address >>> 24 === 127)
    return [invalidValue(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")];
  if (address >>> 16 === 0xa9fe)
    return [invalidValue(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")];
  if (address >>> 8 === 0xe00000)
    return [invalidValue(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")];
  return [];
}

function validateTypeFields(service: Service): readonly FieldError[] {
  const { spec } = service;
  const errors: FieldError[] = [];
  if (spec.externalTrafficPolicy !== undefined && !needsExternalTrafficPolicy(service))
    errors.push(
      invalidValue(
        "spec.externalTrafficPolicy",
        spec.externalTrafficPolicy,
        "may only be set for externally-accessible services",
      ),
    );
  if (spec.healthCheckNodePort && !needsHealthCheckPort(service))
    errors.push(
      invalidValue(
        "spec.healthCheckNodePort",
        spec.healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  if (spec.allocateLoadBalancerNodePorts !== undefined && spec.type !== "LoadBalancer")
    errors.push(forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"));
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig !== undefined)
    errors.push(forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None"));
  const foreign = (spec.ipFamilies ?? []).findIndex((family) => family !== "IPv4");
  if (foreign >= 0)
    errors.push(
      invalidValue(`spec.ipFamilies[${foreign}]`, spec.ipFamilies?.[foreign], "not configured on this cluster"),
    );
  if (spec.ipFamilyPolicy === "RequireDualStack")
    errors.push(
      invalidValue(
        "spec.ipFamilyPolicy",
        spec.ipFamilyPolicy,
        "this cluster is not configured for dual-stack services",
      ),
    );
  return errors;
}
