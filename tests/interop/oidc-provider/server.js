// npm's certified oidc-provider as it comes, told about one client: Doorward. Listens on loopback.
//   node server.js PORT DOORWARD_URL
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, doorward] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'doorward',
      client_secret: 'a secret of the interop test: +/%&=',
      redirect_uris: [`${doorward}/rbac/callback`],
      post_logout_redirect_uris: [`${doorward}/rbac/logout`],
      backchannel_logout_uri: `${doorward}/rbac/backchannel-logout`,
      backchannel_logout_session_required: true,
    },
  ],
  // By the book: an ID token of the code flow has no e-mail, so UserInfo has to be asked.
  conformIdTokenClaims: true,
  pkce: { required: () => true },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'groups'],
  },
  // Whatever is typed as the login is the account; `unverified` is one whose e-mail nobody checked.
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: id !== 'unverified',
      name: `Person ${id} Ñandú`,
      groups: ['readers'],
    }),
  }),
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true },
  },
  // Its own guard refuses addresses of this machine, and the client it notifies of sign-outs is here.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'interop' }] },
  cookies: { keys: [randomBytes(32).toString('base64')] },
});

for (const event of ['server_error', 'grant.error', 'authorization.error', 'end_session.error', 'userinfo.error', 'backchannel.error']) {
  provider.on(event, (...args) => console.error(event, args.find((arg) => arg instanceof Error)));
}
provider.on('backchannel.success', () => console.error('backchannel.success'));
provider.on('grant.success', (ctx) => console.error('grant.success', ctx.oidc.entities.Client.clientId));
provider.listen(Number(port), '127.0.0.1', () => console.error('listening'));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
