const SECRET_PARAMETER =
  /^(x-amz-(signature|credential|security-token)|x-goog-(signature|credential)|signature|sig|token|access_token|api[-_]?key|key|password|passwd|pwd|secret|auth)$/i;

/** A URI without user information, and without the values of query parameters that grant access; any other text without `user:password@`. */
export function redact(uri: string | URL): string {
  const text = String(uri);
  // What does not parse may have its user information anywhere before the last @.
  if (!URL.canParse(text)) return redactText(text.replace(/:\/\/.*@/s, '://'));
  return withoutQuerySecrets(withoutUser(text));
}

/** User kept, password gone: `deliveredTo` in notices. */
export function redactPassword(uri: string | URL): string {
  return String(uri).replace(/^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i, (_all, scheme: string, info: string) => {
    const [user] = info.split(':');
    return user ? `${scheme}${user}@` : scheme;
  });
}

/** Removes `user:password@` of every URI in free text, such as an error message. */
export function redactText(text: string): string {
  const uris = text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi, '$1');
  return uris.replace(/([?&])([^=&\s#]+)=([^&\s#"'<>]+)/g, (all, mark: string, name: string) =>
    SECRET_PARAMETER.test(name) ? `${mark}${name}=…` : all,
  );
}

function withoutUser(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1');
}

function withoutQuerySecrets(text: string): string {
  return text.replace(/([?&])([^=&#]+)=([^&#]*)/g, (all, mark: string, name: string) =>
    SECRET_PARAMETER.test(decode(name)) ? `${mark}${name}=…` : all,
  );
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
