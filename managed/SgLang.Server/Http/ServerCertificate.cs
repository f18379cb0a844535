using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SgLang.Server.Http;

internal static class ServerCertificate
{
    /// <summary>Null without one.</summary>
    /// <exception cref="ServerStartException">A file is missing or does not fit.</exception>
    public static X509Certificate2? Load(ServerOptions options)
    {
        if (options.SslCertFile is null && options.SslKeyFile is null) return null;
        if (options.SslCertFile is null || options.SslKeyFile is null)
            throw new ServerStartException($"{(options.SslCertFile is null ? "--ssl-keyfile needs --ssl-certfile" : "--ssl-certfile needs --ssl-keyfile")}: HTTPS takes both, in PEM form.");
        try
        {
            using X509Certificate2 pem = options.SslKeyFilePassword is { } password
                ? X509Certificate2.CreateFromEncryptedPemFile(options.SslCertFile, password, options.SslKeyFile)
                : X509Certificate2.CreateFromPemFile(options.SslCertFile, options.SslKeyFile);
            // A key straight from PEM is not usable by every TLS provider.
            return X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ServerStartException($"--ssl-certfile '{options.SslCertFile}' and --ssl-keyfile '{options.SslKeyFile}' give no certificate: {e.Message}", e);
        }
    }
}
