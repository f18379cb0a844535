using CppSharp;
using CppSharp.Generators;
using CppSharp.Generators.C;
using CppSharp.Parser;
using SgLang.BindingsGen.Model;

namespace SgLang.BindingsGen.CppSharp;

/// <summary>
/// Fills the model from CppSharp's syntax tree. CppSharp parses and drives; its passes, which rename for its own C#, do not
/// run, and a <see cref="GeneratorKind"/> of ours takes the place of its writers.
/// </summary>
internal sealed class CppSharpReader : IHeaderReader
{
    private static readonly GeneratorKind s_kind = new("SglModel", "SgLang header model", typeof(ModelGenerator), typeof(CppTypePrinter));

    public IEnumerable<Declaration> Read(string umbrellaHeader)
    {
        string headerFolder = Path.GetDirectoryName(umbrellaHeader)!;
        var options = new DriverOptions { GeneratorKind = s_kind, OutputDir = headerFolder, DryRun = true, Quiet = true };
        var module = options.AddModule("sgl");
        module.IncludeDirs.Add(Path.GetDirectoryName(headerFolder)!);
        module.Headers.Add(umbrellaHeader);
        using var driver = new Driver(options);
        driver.ParserOptions.LanguageVersion = LanguageVersion.C99_GNU;
        // A function with a body is refused, so bodies must be seen.
        driver.ParserOptions.SkipFunctionBodies = false;
        driver.Setup();
        if (!driver.ParseCode())
        {
            throw new BindingsException($"CppSharp rejects {umbrellaHeader}; its messages are above");
        }
        var generator = (ModelGenerator)driver.Generator;
        generator.Generate(driver.Context.ASTContext.TranslationUnits.Where(unit => unit.IsValid && !unit.IsSystemHeader));
        return generator.Declarations(headerFolder);
    }
}
