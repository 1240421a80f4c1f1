/** SASL as the configuration has it: the JAAS file with its users, and the exchanges of connections. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { SaslConversation } from '../auth/credentials.ts';
import { digestUsers, JaasError, parseJaas } from '../auth/jaas.ts';
import { parseNameRules } from '../auth/kerberos-names.ts';
import { SaslExchange } from '../auth/sasl-server.ts';
import type { ServerConfig } from '../config/server-config.ts';

/** Where Kerberos has its configuration when nothing says otherwise. */
const KRB5_CONFIG_FILE = '/etc/krb5.conf';

/** Makes the exchange of a connection; null when no SASL is configured. Throws JaasError or NameRuleError. */
export function saslConversations({ auth, sasl }: ServerConfig): (() => SaslConversation) | null {
  const krb5ConfigFile = sasl.krb5ConfigFile ?? KRB5_CONFIG_FILE;
  if (sasl.requireKerberosConfig && !existsSync(krb5ConfigFile)) {
    throw new JaasError(`requireKerberosConfig=true, and there is no ${krb5ConfigFile} (java.security.krb5.conf)`);
  }
  if (sasl.jaasFile === null) {
    return null;
  }
  const options = {
    users: digestUsers(parseJaas(readJaasText(sasl.jaasFile), sasl.jaasFile), sasl.serverSection),
    superPassword: sasl.superPassword,
    superUsers: auth.saslSuperUsers,
    names: {
      rules: parseNameRules(sasl.authToLocal),
      defaultRealm: sasl.serverRealm,
      removeHost: sasl.removeHostFromPrincipal,
      removeRealm: sasl.removeRealmFromPrincipal,
    },
    fipsMode: sasl.fipsMode,
    allowFailedClients: sasl.allowFailedClients,
    enforced: auth.requireSasl || (auth.enforceAuth && auth.enforcedSchemes.includes('sasl')),
    randomBytes,
  };
  return () => new SaslExchange(options);
}

/** Throws JaasError when it cannot be read. */
export function readJaasText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new JaasError(`${file} (java.security.auth.login.config) cannot be read: ${(error as Error).message}`);
  }
}
