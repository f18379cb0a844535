using System.Buffers.Binary;
using System.Reflection;
using System.Text;

namespace SgLang.Models.Tests;

/// <summary>Where the checkpoints are, and temporary copies of them to damage.</summary>
internal static class TestFiles
{
    public static readonly string Root = typeof(TestFiles).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .First(a => a.Key == "RepositoryRoot").Value!;

    public static string Demo => Path.Combine(Root, "models", "demo");

    /// <summary>Every checkpoint with a recorded reference: the demo model, and what lies in tests/data/models.</summary>
    public static IReadOnlyList<string> Checkpoints { get; } =
        ["demo", .. Directory.GetDirectories(Path.Combine(Root, "tests", "data", "models")).Select(directory => Path.GetFileName(directory)).Order(StringComparer.Ordinal)];

    /// <summary>"demo", or a family of tests/data/models.</summary>
    public static string Model(string name) => name == "demo" ? Demo : Path.Combine(Root, "tests", "data", "models", name);

    public static string Golden(string name, string extension) =>
        Path.Combine(name == "demo" ? Path.Combine(Root, "tests", "data", "models-demo") : Model(name), "golden." + extension);

    /// <summary>A safetensors file of a JSON header and so many data bytes.</summary>
    public static byte[] Safetensors(string header, int dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(file, (ulong)json.Length);
        json.CopyTo(file, 8);
        for (int i = 0; i < dataBytes; i++) file[8 + json.Length + i] = (byte)i;
        return file;
    }
}

/// <summary>A directory that goes away with the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = TestDirectory.Create("sglang-models-");

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public static TemporaryDirectory CopyOf(string model)
    {
        var copy = new TemporaryDirectory();
        foreach (string file in (ReadOnlySpan<string>)["config.json", "generation_config.json", "model.safetensors"])
            System.IO.File.Copy(System.IO.Path.Combine(TestFiles.Model(model), file), copy.File(file));
        return copy;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
